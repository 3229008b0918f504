"""Curves and times of trainings.

    python tools/analysis_tools/analyze_logs.py plot_curve RUN [RUN ...] --keys 'loss*' --out a.png
    python tools/analysis_tools/analyze_logs.py cal_train_time RUN [RUN ...]

RUN is a work_dir, all of whose logs count (those of a resumed run follow each other), or a file
scalars.json.
"""

import argparse
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from mmwsss.utils.cli import make_parser, run_tool

Log = list[dict]


def read_log(run: str) -> Log:
    """Records of a log, one per logged step.

    Raises:
        FileNotFoundError: There is no log.
        ValueError: A file is none.
    """
    from mmwsss.pipeline.training import log_records
    if not Path(run).exists():
        raise FileNotFoundError(f'no log "{run}"')
    records = list(log_records(Path(run)))
    if not records:
        raise ValueError(f'"{run}" is no log with one JSON record per line, nor a folder with one '
                         '(*/vis_data/scalars.json)')
    return records


def curves(log: Log, patterns: list[str]) -> dict[str, tuple[list, list]]:
    """Steps and values of every key that one of the patterns names.

    Raises:
        ValueError: A pattern names none; says which keys there are.
    """
    found: dict[str, tuple[list, list]] = {}
    for record in log:
        for key, value in record.items():
            if key != 'step' and any(fnmatch(key, pattern) for pattern in patterns):
                steps, values = found.setdefault(key, ([], []))
                steps.append(record['step'])
                values.append(value)
    for pattern in patterns:
        if not any(fnmatch(key, pattern) for key in found):
            keys = sorted({key for record in log for key in record})
            raise ValueError(f'no value "{pattern}" in the log; there are {keys}')
    return found


def train_time(log: Log) -> dict[str, float]:
    """Mean seconds per step, and of the slowest and fastest epoch where there are several.

    Raises:
        ValueError: The log holds no training step.
    """
    steps = [record for record in log if 'time' in record and 'loss' in record]
    if not steps:
        raise ValueError('no training step in the log')
    # The first record includes the start of the workers.
    steps = steps[1:] or steps
    result = dict(mean=float(np.mean([record['time'] for record in steps])))
    epochs: dict[int, list] = {}
    for record in steps:
        epochs.setdefault(record.get('epoch', 0), []).append(record['time'])
    if len(epochs) > 1:
        means = {epoch: float(np.mean(times)) for epoch, times in epochs.items()}
        for name, epoch in (('slowest', max(means, key=means.get)),
                            ('fastest', min(means, key=means.get))):
            result[f'{name} epoch, {epoch}'] = means[epoch]
    return result


def plot_curve(args: argparse.Namespace) -> None:
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for run in args.runs:
        for key, (steps, values) in curves(read_log(run), args.keys).items():
            axes.plot(steps, values, label=f'{run} {key}' if len(args.runs) > 1 else key,
                      marker='.' if len(values) < 30 else None)
    axes.set_xlabel('step (epoch, for metrics of epochs)')
    axes.legend()
    axes.grid(alpha=0.3)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=120, bbox_inches='tight')
    print(args.out)


def cal_train_time(args: argparse.Namespace) -> None:
    for run in args.runs:
        print(run)
        for name, seconds in train_time(read_log(run)).items():
            print(f'  {name}: {seconds:.4f} s per step')


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    tasks = parser.add_subparsers(dest='task', required=True)
    plot = tasks.add_parser('plot_curve')
    plot.add_argument('runs', nargs='+')
    plot.add_argument('--keys', nargs='+', default=['loss*'], help='names or patterns')
    plot.add_argument('--out', default='curves.png')
    plot.set_defaults(function=plot_curve)
    times = tasks.add_parser('cal_train_time')
    times.add_argument('runs', nargs='+')
    times.set_defaults(function=cal_train_time)
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    args.function(args)


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
