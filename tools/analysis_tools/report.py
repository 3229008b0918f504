"""Several runs of the pipeline side by side on one HTML page.

    python tools/analysis_tools/report.py RUN_DIR [RUN_DIR ...] --out page.html

RUN_DIR is a --work-dir of tools/run_pipeline.py, or one of its seed_<n>. Each brings its method and
its baseline as its own report shows them; data and checkpoints need not be there.
"""

import argparse
import sys

from mmwsss.utils.cli import make_parser, run_tool


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('runs', nargs='+', metavar='RUN_DIR')
    parser.add_argument('--out', default='report.html', help='the page (default: report.html)')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    from mmwsss.pipeline.report import compare_runs
    print(compare_runs(args.runs, args.out).resolve())


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
