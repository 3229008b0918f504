"""Wall time, CPU time and peak memory of each stage of the pipeline.

    python tools/benchmarks/stages.py [--full] [--config configs/demo/ktse_shapes.py]

Each stage runs in a process of its own. The short form has 24 images and one epoch; --full takes
the config as it is.
"""

import os
import subprocess
import sys
import tempfile
import time

from common import ROOT, Row, make_parser, save

STAGES = ('classify', 'cam', 'mask', 'segment')
SHORT = {
    'train_cfg.max_epochs': 1, 'train_dataloader.dataset.num_images': 24,
    'val_dataloader.dataset.num_images': 24, 'test_dataloader.dataset.num_images': 8,
    'train_dataloader.batch_size': 8, 'param_scheduler': '[]',
    'pipeline.segment.cfg_options': "{'train_cfg.max_iters':3,'train_cfg.val_interval':3,"
                                    "'param_scheduler':[],'train_dataloader.batch_size':4}"}


def measure(*command: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the peak in MB of a process with its children."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(
        [str(ROOT), os.environ.get('PYTHONPATH', '')]))
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([sys.executable, '-W', 'ignore', *command], cwd=ROOT,
                                   env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            output.seek(0)
            raise RuntimeError(f'{" ".join(command)} failed:\n{output.read().decode()[-2000:]}')
    return (time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('--config', default='configs/demo/ktse_shapes.py')
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        options = {} if args.full else SHORT
        roots = {f'{kind}_dataloader.dataset.data_root': f'{folder}/shapes'
                 for kind in ('train', 'val', 'test')}
        extra = [f'{key}={value}' for key, value in {**roots, **options}.items()]
        for stage in STAGES:
            wall, cpu, peak = measure(
                'tools/run_pipeline.py', args.config, '--work-dir', f'{folder}/work', '--stages',
                stage, '--no-baseline', '--device', 'cpu', '--cfg-options', *extra)
            rows.append(Row(f'pipeline, stage {stage}', None, wall,
                            note=f'CPU {cpu:.1f} s, peak {peak:,.0f} MB, start-up included'))
            print(rows[-1].cells(), flush=True)
    save(rows, args.json)


if __name__ == '__main__':
    main()
