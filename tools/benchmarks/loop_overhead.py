"""Time of a step in WSSSTrainLoop over that of a bare PyTorch loop with the same network.

    python tools/benchmarks/loop_overhead.py [--size 128 --batch 8 --width 0.25 --modules ktse]

Both train the same classifier on the same images in memory. The loop brings hooks, logging (every
10 steps), schedules, seeding and progress; it may cost at most 5 %. The two take turns, and the
fastest of each is compared. On a CPU the time is that of the process, so that other programs do not
count.
"""

import argparse
import tempfile
import time

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
import torch
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils import register_all_modules

CLASSES = 20
MODULES = dict(
    none=[],
    ktse=[dict(type='SimulatedInterImageErasing'), dict(type='SelfSupervisedRegularization'),
          dict(type='MultiGranularityAlignment')])


class Images(Dataset):
    """Noise with labels and a paired image."""

    metainfo = dict(classes=tuple(f'c{i}' for i in range(CLASSES)))

    def __init__(self, count: int, size: int):
        self.images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)
        self.labels = (torch.rand(count, CLASSES) < 0.1).float()
        self.labels[:, 0] = 1

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        views = dict(image=index, paired=(index + 1) % len(self))
        return dict(
            inputs={view: self.images[i] for view, i in views.items()},
            data_samples={view: WSSSDataSample(gt_label=self.labels[i])
                          for view, i in views.items()})


def build(args) -> torch.nn.Module:
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='WSSSClassifier',
        backbone=dict(type='ResNet38d', width=args.width, frozen_stages=-1, norm_eval=False),
        head=dict(type='GPPHead', num_classes=CLASSES, in_channels=round(1024 * args.width) * 4,
                  background=True),
        modules=MODULES[args.modules]))
    return model.to(get_device())


def clock() -> float:
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def bare(args, data: Dataset) -> float:
    """Seconds of a step in a loop as short as it can be."""
    model = build(args).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    loader = DataLoader(data, args.batch, shuffle=True, drop_last=True, collate_fn=pseudo_collate)
    begin = 0.
    for step, batch in enumerate(loader):
        if step == args.warmup:
            begin = clock()
        batch = model.data_preprocessor(batch, True)
        loss = sum(v for k, v in model.loss(**batch).items() if 'loss' in k)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (clock() - begin) / (len(loader) - args.warmup)


def ours(args, data: Dataset) -> float:
    """Seconds of a step in WSSSTrainLoop."""
    from mmengine.hooks import Hook

    class Clock(Hook):
        priority = 'VERY_LOW'

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == args.warmup:
                self.begin = clock()

        def after_train_epoch(self, runner):
            self.seconds = (clock() - self.begin) / (runner.iter - args.warmup)

    timer = Clock()
    with tempfile.TemporaryDirectory() as folder:
        Runner(
            build(args), folder, default_scope='mmwsss',
            train_dataloader=dict(
                batch_size=args.batch, num_workers=0, dataset=data, drop_last=True,
                sampler=dict(type='EpochSampler'), collate_fn=dict(type='pseudo_collate')),
            train_cfg=dict(type='WSSSTrainLoop', max_epochs=1),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-4)),
            param_scheduler=[dict(type='MaxStepPolyLR', end=1, by_epoch=True,
                                  convert_to_iter_based=True)],
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=10),
                checkpoint=dict(type='WSSSCheckpointHook', interval=-1, save_last=False)),
            custom_hooks=[timer], randomness=dict(seed=0), log_level='ERROR',
            experiment_name=f'loop_overhead_{time.time_ns()}').train()
    return timer.seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', type=int, default=128, help='side of the images')
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--width', type=float, default=0.125, help='of ResNet38d')
    parser.add_argument('--modules', choices=MODULES, default='none')
    parser.add_argument('--steps', type=int, default=20, help='measured steps of a run')
    parser.add_argument('--warmup', type=int, default=3)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--json', help='also write the rows of the table to this file')
    args = parser.parse_args()
    register_all_modules()
    data = Images((args.steps + args.warmup) * args.batch, args.size)
    times = [(bare(args, data), ours(args, data)) for _ in range(args.repeats)]
    plain, loop = (min(column) for column in zip(*times))
    print(f'bare loop {plain * 1e3:.1f} ms, WSSSTrainLoop {loop * 1e3:.1f} ms a step; '
          f'ratio {loop / plain:.3f}')
    if args.json:
        from common import Row, save
        save([Row(f'step in the loop, ResNet38d width {args.width:g}', plain * 1e3, loop * 1e3,
                  'ms', f'batch {args.batch} of {args.size} x {args.size}')], args.json)


if __name__ == '__main__':
    main()
