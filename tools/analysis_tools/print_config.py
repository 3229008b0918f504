"""The whole config, with all that it inherits.

    python tools/analysis_tools/print_config.py CONFIG [--cfg-options KEY=VALUE ...] [--out FILE]
"""

import argparse
import sys
from pathlib import Path

from mmwsss.utils import atomic_write
from mmwsss.utils.cli import add_arguments, make_parser, run_tool


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('--out', type=Path, help='write it there instead (.py)')
    add_arguments(parser, 'cfg_options')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    from mmwsss.inference import read_config
    cfg = read_config(args.config, args.cfg_options)
    if args.out is None:
        print(cfg.pretty_text)
    else:
        with atomic_write(args.out) as file:
            file.write(cfg.pretty_text)


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
