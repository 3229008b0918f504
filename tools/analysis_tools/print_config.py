"""The whole config, with all that it inherits.

    python tools/analysis_tools/print_config.py CONFIG [--cfg-options KEY=VALUE ...] [--out FILE]
"""

import argparse
import os
import sys
from pathlib import Path

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
from mmengine.config import DictAction

from mmwsss.inference import read_config
from mmwsss.utils import atomic_write, friendly_errors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--out', type=Path, help='write it there instead (.py)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={},
                        metavar='KEY=VALUE')
    args = parser.parse_args()
    sys.path.insert(0, os.getcwd())
    with friendly_errors():
        cfg = read_config(args.config)
        cfg.merge_from_dict(args.cfg_options)
        if args.out is None:
            print(cfg.pretty_text)
        else:
            with atomic_write(args.out) as file:
                file.write(cfg.pretty_text)


if __name__ == '__main__':
    main()
