"""A table or figure of a paper: run what it lacks, and print the paper's figures beside ours.

    python tools/reproduce.py configs/tables/ktse_table7.py --data shapes --seeds 0 1 2
    python tools/reproduce.py configs/tables/ktse_table7.py --data shapes --seeds 0 1 2 --jobs 4
    python tools/reproduce.py configs/tables/ktse_table7.py --data voc --launcher slurm \\
        --slurm-args="--gres=gpu:1 --time=2-0"; later the same with --collect

Rows share what is equal: the stages of all tables are in one store, <work-dir>/store, by the
checksum of what they depend on. The same command resumes after an interruption. It ends with
table.md, table.csv, table.json and index.html in <work-dir>/<table>_<data>.
"""

import argparse
import shlex
import sys
from pathlib import Path

from mmwsss.utils.cli import add_arguments, at_least, command_line, make_parser, run_tool


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('table', help='file of configs/tables')
    parser.add_argument('--data', default='voc', metavar='NAME',
                        help="data set of the rows: voc (default), coco, shapes, voc6 or one of "
                        "the table's own")
    parser.add_argument('--seeds', type=at_least(0), nargs='+', default=[0])
    parser.add_argument('--rows', nargs='+', metavar='ROW', help='only these, by name or number')
    parser.add_argument('--stages', nargs='+', metavar='STAGE',
                        help='only the columns of these stages: cam, mask, segment ...')
    parser.add_argument('--work-dir', default='work_dirs/tables', help='of all tables')
    parser.add_argument('--jobs', type=at_least(1), default=1, help='so many rows at a time')
    parser.add_argument('--launcher', choices=('none', 'slurm'), default='none',
                        help='slurm: one job a row and seed by sbatch')
    parser.add_argument('--slurm-args', default='', help='arguments of sbatch, in one string')
    parser.add_argument('--collect', action='store_true',
                        help='run nothing; the table of what is there')
    parser.add_argument('--images', type=at_least(0), default=4, help='images on the page')
    parser.add_argument('--amp', action='store_true', help='mixed precision in all trainings')
    parser.add_argument('--job', action='store_true', help=argparse.SUPPRESS)  # run, no table
    add_arguments(parser, 'device', 'cfg_options')
    return parser.parse_args()


def shared_arguments(args: argparse.Namespace) -> list[str]:
    """What the command of a job takes over."""
    words = ['--work-dir', args.work_dir]
    if args.stages:
        words += ['--stages', *args.stages]
    if args.device:
        words += ['--device', args.device]
    if args.amp:
        words += ['--amp']
    if args.cfg_options:
        words += ['--cfg-options', *args.cfg_options_typed]
    return words


def run(args: argparse.Namespace) -> int:
    from mmwsss.pipeline.tables import (
        Table,
        Workplace,
        collect,
        job_commands,
        print_cells,
        run_processes,
        submit,
        write_cells,
        write_page,
    )
    from mmwsss.utils.io import sweep_temporaries
    place = Workplace(Table(args.table), args.data, args.work_dir, args.rows, args.stages,
                      args.cfg_options, args.device, amp=args.amp)
    failed: list[str] = []
    if not args.collect:
        place.check(args.seeds[0])
        commands = job_commands(place, args.seeds, __file__, shared_arguments(args))
        if args.launcher == 'slurm':
            numbers = submit(commands, place.folder, shlex.split(args.slurm_args))
            print(f'{len(numbers)} jobs: {" ".join(numbers)}. When they have ended, the same '
                  'command with --collect in place of --launcher slurm makes the table.')
            return 0
        failed = (place.run_all(args.seeds) if args.jobs == 1
                  else run_processes(commands, place.folder, args.jobs))
    if not args.job:
        sweep_temporaries(place.folder, '*')
        cells, command = collect(place, args.seeds), command_line()
        write_cells(place, cells, args.seeds, command)
        page = write_page(place, cells, args.seeds, command, args.images)
        print_cells(place, cells, args.seeds)
        print(f'page: {Path(page).resolve()}')
    for line in failed:
        print(f'failed: {line}', file=sys.stderr)
    return int(bool(failed))


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
