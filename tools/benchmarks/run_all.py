"""All benchmarks by one command, and the table in docs/benchmarks.md.

    python tools/benchmarks/run_all.py                # short form, a few minutes
    python tools/benchmarks/run_all.py --full         # sizes of the papers, much longer
    python tools/benchmarks/run_all.py --only cam_inference par --no-docs

Each benchmark is a process of its own and can be run alone. The table in the docs is replaced only
when all of them have run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, Row, machine_line, make_parser, markdown

# Script: options of the short form, options of the long one.
BENCHMARKS = dict(
    method_step=((), ('--full', )),
    loop_overhead=(('--steps', '6', '--repeats', '2', '--batch', '4'), ()),
    two_networks=(('--repeat', '2', '--size', '64'), ()),
    par=(('--size', '96', '--images', '2'), ('--size', '320')),
    cam_inference=((), ('--full', )),
    mctformer_cam=(('--batch', '2', '--repeats', '1'), ('--batch', '8')),
    loading=((), ('--full', )),
    seed_metric=(('--repeats', '5'), ()),
    metrics=((), ('--full', )),
    random_walk=(('--dense-up-to', '1200'), ()),
    crf=(('--images', '2'), ()),
    segmentation=((), ('--full', )),
    stages=((), ('--full', )),
    startup=((), ('--full', )),
    processes=((), ('--full', )),
    busy=(('--repeats', '1', '--steps', '5'), ()))
BEGIN, END = '<!-- table of run_all.py -->', '<!-- end of the table -->'


def run(name: str, options: tuple[str, ...]) -> list[Row]:
    """The rows of one benchmark.

    Raises:
        RuntimeError: It failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'rows.json'
        environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(
            [str(ROOT), os.environ.get('PYTHONPATH', '')]))
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', str(Path(__file__).with_name(f'{name}.py')),
             *options, '--json', str(file)], env=environment, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f'{name}: {done.stderr[-1500:]}')
        return [Row(**row) for row in json.loads(file.read_text())]


def write_table(file: Path, rows: list[Row], note: str) -> None:
    """Replace what lies between the two marks of a Markdown page.

    Raises:
        ValueError: The page has no such marks.
    """
    text = file.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f'{file} has no lines "{BEGIN}" and "{END}" for the table')
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    file.write_text(f'{before}{BEGIN}\n{note}\n\n{markdown(rows)}\n{END}{after}')


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('--only', nargs='+', choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument('--docs', default=str(ROOT / 'docs/benchmarks.md'), help='page to write')
    parser.add_argument('--no-docs', dest='docs', action='store_const', const=None)
    args = parser.parse_args()
    rows, failed = [], []
    load = os.getloadavg()[0]
    for name in args.only:
        print(f'-- {name}', flush=True)
        begin = time.perf_counter()
        try:
            rows += run(name, BENCHMARKS[name][args.full])
        except RuntimeError as error:
            failed.append(name)
            print(error, file=sys.stderr)
        print(f'   {time.perf_counter() - begin:.0f} s', flush=True)
    form = 'long form' if args.full else 'short form'
    note = f'{machine_line()}; {form}; load of the machine {load:.1f} at the start.'
    print(f'\n{note}\n\n{markdown(rows)}')
    if args.json:
        Path(args.json).write_text(json.dumps([vars(row) for row in rows]))
    if failed:
        sys.exit(f'failed: {", ".join(failed)}')
    if args.docs and set(args.only) == set(BENCHMARKS):
        write_table(Path(args.docs), rows, note)
        print(f'\n{args.docs} is up to date')


if __name__ == '__main__':
    main()
