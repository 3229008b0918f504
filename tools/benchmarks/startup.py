"""CPU time until each tool has read its command line, beside that of importing the libraries.

    python tools/benchmarks/startup.py
"""

import os
import subprocess
import sys

from common import ROOT, Row, make_parser, report, save

TOOLS = ('train.py', 'test.py', 'run_pipeline.py', 'make_cams.py', 'generate_masks.py', 'infer.py',
         'infer_cams.py', 'make_submission.py', 'export_onnx.py')


def seconds(*command: str) -> float:
    """CPU seconds of a process and the processes that it waits for."""
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(
        [str(ROOT), os.environ.get('PYTHONPATH', '')]))
    process = subprocess.Popen(
        [sys.executable, '-W', 'ignore', *command], cwd=ROOT, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f'{" ".join(command)} failed: {errors[-500:]}')
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    args = make_parser(__doc__).parse_args()
    repeats = 3 if args.full else 1
    tools = TOOLS if args.full else TOOLS[:3]
    imports = ('-c', 'import mmwsss, torch, mmengine.runner, mmcv, mmseg.apis')
    seconds(*imports)  # fills the file cache
    rows = []
    for tool in tools:
        pairs = [(seconds(*imports), seconds(f'tools/{tool}', '--help')) for _ in range(repeats)]
        public, ours = (min(column) for column in zip(*pairs))
        rows.append(Row(f'start of tools/{tool}, beside the imports alone', public, ours))
        report(rows[-1:])
    save(rows, args.json)


if __name__ == '__main__':
    main()
