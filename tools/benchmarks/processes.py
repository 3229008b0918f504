"""Efficiency of two processes (gloo) against one: training and each stage that makes files.

    python tools/benchmarks/processes.py [--full]

Both do the same work: the same images in total, half of a batch on each of two processes. The ratio
is the wall time of one process over that of two (2 at best, on a machine with idle cores); the note
has the CPU time of one over the sum of two, which other programs on the cores do not disturb: what
it lacks of 1 is spent on communication and double work.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from common import ROOT, Row, clock, make_parser, report

# isort: split
import torch
import torch.distributed as dist
from mmengine.config import Config
from torch.nn.parallel import DistributedDataParallel

CONFIG = ROOT / 'configs/demo/cam_shapes.py'
PARTS = ('training', 'CAM files', 'masks with CRF')


def work(folder: str, images: int, steps: int) -> None:
    """In each process: print wall and CPU seconds of each part."""
    from mmwsss.inference import generate_cams, generate_masks
    from mmwsss.registry import DATASETS, MODELS
    from mmwsss.structures import WSSSDataSample
    from mmwsss.utils import register_all_modules
    dist.init_process_group('gloo')
    world = dist.get_world_size()
    register_all_modules()
    cfg = Config.fromfile(CONFIG)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    batch = dict(
        inputs=dict(image=list(torch.randint(0, 256, (8 // world, 3, 112, 112),
                                             dtype=torch.uint8))),
        data_samples=dict(image=[WSSSDataSample(gt_label=torch.ones(6))
                                 for _ in range(8 // world)]))

    def train() -> None:
        model.train()
        network = DistributedDataParallel(model) if world > 1 else model
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        for _ in range(steps):
            data = model.data_preprocessor(batch, True)
            loss = sum(network(**data, mode='loss').values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    data = DATASETS.build(dict(
        cfg.val_dataloader.dataset, data_root=f'{folder}/shapes', num_images=images))
    cams, masks = f'{folder}/cams{world}', f'{folder}/masks{world}'
    jobs = dict(zip(PARTS, (
        train,
        lambda: generate_cams(model, data, cams, scales=(0.5, 1., 1.5), num_workers=0),
        lambda: generate_masks(data, cams, masks, dict(type='CRFMask', bg=0.3)))))
    for name, job in jobs.items():
        dist.barrier()
        wall, cpu = time.perf_counter(), clock()
        job()
        spent = torch.tensor(clock() - cpu)
        dist.barrier()
        wall = time.perf_counter() - wall
        dist.all_reduce(spent)
        if dist.get_rank() == 0:
            print('RESULT', json.dumps([name, wall, spent.item()]), flush=True)
    dist.destroy_process_group()


def launch(world: int, *values) -> dict[str, tuple[float, float]]:
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(
        [str(ROOT), os.environ.get('PYTHONPATH', '')]))
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone',
         f'--nproc_per_node={world}', __file__, '--work', *map(str, values)],
        env=environment, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f'{world} processes failed:\n{done.stderr[-2000:]}')
    lines = [json.loads(line.split('RESULT', 1)[1]) for line in done.stdout.splitlines()
             if 'RESULT' in line]
    return {name: (wall, cpu) for name, wall, cpu in lines}


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('--work', nargs=3, help='internal')
    args = parser.parse_args()
    if args.work:
        folder, images, steps = args.work
        work(folder, int(images), int(steps))
        return
    sizes = (96, 40) if args.full else (16, 6)
    with tempfile.TemporaryDirectory() as folder:
        one, two = (launch(world, folder, *sizes) for world in (1, 2))
    report([Row(f'two processes against one, {name}', one[name][0], two[name][0],
                note=f'CPU time of one over the sum of two: {one[name][1] / two[name][1]:.2f}')
            for name in PARTS], args.json)


if __name__ == '__main__':
    main()
