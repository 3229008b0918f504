"""Wall time, CPU time and peak memory of each stage of the pipeline.

    python tools/benchmarks/stages.py [--full] [--config CONFIG]

Each stage runs in a process of its own. The short form has 24 images and one epoch; --full takes
the config as it is.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, Row, make_parser, save

STAGES = ('classify', 'cam', 'mask', 'segment')
ROOTS = """
_base_ = {config!r}
train_dataloader = dict(dataset=dict(data_root={root!r}))
val_dataloader = dict(dataset=dict(data_root={root!r}))
test_dataloader = dict(dataset=dict(data_root={root!r}))
"""
SHORT = """
train_dataloader.update(batch_size=8)
train_dataloader['dataset'].update(num_images=24)
val_dataloader['dataset'].update(num_images=24)
test_dataloader['dataset'].update(num_images=8)
train_cfg = dict(max_epochs=1)
param_scheduler = []
pipeline = dict(
    cam=dict(scales=(0.75, 1., 1.5), flip=True, batch_size=16),
    mask=dict(type='CRFMask', bg='oracle'),
    segment=dict(config='configs/deeplab/deeplabv2_small_shapes.py', cfg_options=dict(
        train_cfg=dict(max_iters=3, val_interval=3), param_scheduler=[],
        train_dataloader=dict(batch_size=4))))
"""


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
    parser.add_argument('--config', help='default: the demo, in the short form its plain CAM')
    args = parser.parse_args()
    args.config = args.config or (
        'configs/demo/ktse_shapes.py' if args.full else 'configs/demo/cam_shapes.py')
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / f'{Path(args.config).stem}.py'
        config.write_text(ROOTS.format(config=str(ROOT / args.config), root=f'{folder}/shapes')
                          + ('' if args.full else SHORT))
        for stage in STAGES:
            wall, cpu, peak = measure(
                'tools/run_pipeline.py', str(config), '--work-dir', f'{folder}/work', '--stages',
                stage, '--no-baseline', '--device', 'cpu')
            rows.append(Row(f'pipeline, stage {stage}', None, wall,
                            note=f'CPU {cpu:.1f} s, peak {peak:,.0f} MB, start-up included'))
            print(rows[-1].cells(), flush=True)
    save(rows, args.json)


if __name__ == '__main__':
    main()
