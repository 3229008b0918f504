"""A training step of every method in WSSSTrainLoop against a bare loop, and where its time goes.

    python tools/benchmarks/method_step.py [--full] [--methods ktse seam]

The models are those of configs/demo/*_shapes.py with all of their modules at work from the first
step, on images in memory. The bare step is as short as it can be; the two take turns, step by step.
The shares are of CPU time: backbone (forward), PAR, the rest of the forward pass (heads and
losses), backward and optimizer, and the reading of the data, which loaders do in processes of their
own.
"""

import statistics
import tempfile
import time
from contextlib import contextmanager

from common import ROOT, Row, clock, make_parser, report, save

# isort: split
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from torch.utils.data import Dataset

from mmwsss.models.classifiers import Progress
from mmwsss.models.refiners import PAR
from mmwsss.registry import DATASETS, MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils import register_all_modules

METHODS = ('cam', 'gpp', 'ktse', 'seam', 'ppc-eps', 'sipe', 'mctformer', 'eader', 'rcm-mam',
           'fsae_cam', 'csd_cam')
WARMUP = 2


class Images(Dataset):
    """Noise with the views and fields that the modules of a model need."""

    seed = 0  # samples seed themselves, which belongs to the reading of the data

    def __init__(self, count: int, size: int, model: torch.nn.Module):
        self.classes = model.num_classes
        self.metainfo = dict(classes=tuple(map(str, range(self.classes))))
        self.views = sorted({'image', *(v for m in model.wsss_modules for v in m.views)})
        self.shape = (size, size)
        self.count = count
        self.spent = 0.  # seconds in here, which count in neither version

    def __len__(self) -> int:
        return self.count

    def __deepcopy__(self, memo: dict) -> 'Images':
        return self  # loops copy their data set, whose seconds would be lost

    def __getitem__(self, index: int) -> dict:
        begin = clock()
        draw = torch.Generator().manual_seed(index)
        image = torch.randint(0, 256, (3, *self.shape), dtype=torch.uint8, generator=draw)
        label = torch.zeros(self.classes)
        label[index % self.classes] = label[(index + 1) % self.classes] = 1
        mask = torch.randint(0, 2, self.shape, generator=draw) * (index % self.classes + 1)
        sample = WSSSDataSample(gt_label=label, prior_mask=mask, paste_mask=mask > 0,
                                saliency=(mask > 0).float())
        self.spent += clock() - begin
        return dict(inputs=dict.fromkeys(self.views, image),
                    data_samples={view: sample for view in self.views if view != 'strong'})


def at_work(config):
    """The config with every module active from the start."""
    if isinstance(config, dict):
        return {key: 0 if key in ('begin', 'ramp') and isinstance(value, int) else at_work(value)
                for key, value in config.items()}
    return [at_work(x) for x in config] if isinstance(config, (list, tuple)) else config


class Case:
    """A method at one size of images and batch."""

    def __init__(self, method: str, size: int, batch: int, steps: int):
        self.cfg = Config.fromfile(ROOT / f'configs/demo/{method}_shapes.py')
        self.cfg.model = at_work(self.cfg.model.to_dict())
        train = self.cfg.train_cfg.to_dict()
        self.phases = [phase['optim'] for phase in train.get('phases', ())]
        self.loop = dict(type='WSSSTrainLoop', max_iters=steps)
        for key in ('ema', 'phases'):
            if key in train:
                self.loop[key] = train[key]
        if self.phases:
            self.loop['phases'] = [dict(optim=name, steps=1) for name in self.phases]
        self.loop['max_iters'] *= max(len(self.phases), 1)
        self.batch = batch
        self.data = Images(batch * self.loop['max_iters'], size, self.build())

    def build(self) -> torch.nn.Module:
        torch.manual_seed(0)
        return MODELS.build(self.cfg.model)

    def run(self) -> 'Bare':
        """Train; the hook has the times of both versions."""
        bare = Bare(self)
        with tempfile.TemporaryDirectory() as folder:
            Runner(
                self.build(), folder, default_scope='mmwsss',
                train_dataloader=dict(
                    batch_size=self.batch, num_workers=0, dataset=self.data, drop_last=True,
                    sampler=dict(type='EpochSampler'), collate_fn=dict(type='pseudo_collate')),
                train_cfg=self.loop, optim_wrapper=self.cfg.optim_wrapper,
                param_scheduler=self.cfg.get('param_scheduler'),
                default_hooks=dict(
                    logger=dict(type='LoggerHook', interval=10),
                    checkpoint=dict(type='WSSSCheckpointHook', interval=-1, save_last=False)),
                custom_hooks=[bare], randomness=dict(seed=0), log_level='ERROR',
                experiment_name=f'method_step_{time.time_ns()}').train()
        return bare


class Bare(Hook):
    """A bare step of a second model before each step of the loop, so that both meet the same load
    of the machine. The loop's time is all that is left of the span from step to step."""

    priority = 'VERY_LOW'

    def __init__(self, case: Case):
        self.case, self.parts = case, {}
        self.model = case.build().train()
        self.wrapper = build_optim_wrapper(self.model, case.cfg.optim_wrapper)
        self.bare, self.ours = [], []

    def before_train(self, runner) -> None:
        self.last, self.case.data.spent = clock(), 0.

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        begin = clock()
        self.step(len(self.bare), data_batch)
        self.bare.append(clock() - begin)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        now = clock()
        self.ours.append(now - self.last - self.case.data.spent - self.bare[-1])
        self.last, self.case.data.spent = now, 0.

    def step(self, number: int, batch: dict) -> None:
        """Forward, backward, optimizer, and the average of the teacher."""
        begin, model, optimizer, phase = clock(), self.model, self.wrapper, None
        if self.case.phases:
            phase = self.case.phases[number % len(self.case.phases)]
            optimizer = self.wrapper[phase]
            for name, one in self.wrapper.items():
                for parameter in (p for group in one.param_groups for p in group['params']):
                    parameter.requires_grad_(name == phase)
        model.set_progress(Progress(0, number, 0., phase))
        with timed(model, self.parts):
            losses = model.loss(**model.data_preprocessor(batch, True))
        loss = sum(value for key, value in losses.items() if 'loss' in key)
        self.add('forward', begin)
        begin = clock()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if model.teacher is not None:
            with torch.no_grad():
                for part in ('backbone', 'head'):
                    for old, new in zip(getattr(model.teacher, part).parameters(),
                                        getattr(model, part).parameters()):
                        old.lerp_(new, 0.001)
        self.add('backward and optimizer', begin)

    def add(self, part: str, begin: float) -> None:
        self.parts[part] = self.parts.get(part, 0) + clock() - begin

    def medians(self) -> tuple[float, float]:
        """Seconds of a bare step and the loop's: that times the median ratio of the pairs."""
        count = max(len(self.case.phases), 1)
        skip = WARMUP * count
        pairs = list(zip(self.bare[skip:], self.ours[skip:]))
        ratio = statistics.median(ours / bare for bare, ours in pairs)
        bare = statistics.median(self.bare[skip:])
        return bare, bare * ratio


@contextmanager
def timed(model: torch.nn.Module, parts: dict):
    """Sum up the forward passes of backbones and PAR."""
    handles, begins = [], {}
    for name, module in model.named_modules():
        part = ('backbone' if name.split('.')[-1] == 'backbone'
                else 'PAR' if isinstance(module, PAR) else None)
        if part:
            def before(one, _):
                begins[id(one)] = clock()

            def after(one, _, __, part=part):
                parts[part] = parts.get(part, 0) + clock() - begins[id(one)]

            handles += [module.register_forward_pre_hook(before),
                        module.register_forward_hook(after)]
    yield
    for handle in handles:
        handle.remove()


def reading_seconds(size: int) -> float:
    """Seconds in which an image of Shapes is read and augmented."""
    cfg = Config.fromfile(ROOT / 'configs/demo/cam_shapes.py').train_dataloader.dataset
    with tempfile.TemporaryDirectory() as folder:
        cfg = dict(cfg, data_root=folder, num_images=16)
        cfg['pipeline'] = [dict(t, size=size) if t['type'] == 'RandomPadCrop' else t
                           for t in cfg['pipeline']]
        data = DATASETS.build(cfg)
        data[0]
        begin = clock()
        for index in range(len(data)):
            data[index]
        return (clock() - begin) / len(data)


def shares(parts: dict, reading: float) -> str:
    """Where the time goes, in per cent of a step; the data beside it."""
    forward, backward = parts.pop('forward'), parts.pop('backward and optimizer')
    found = {**parts, 'heads and losses': forward - sum(parts.values()), 'backward': backward}
    text = ', '.join(f'{name} {100 * seconds / (forward + backward):.0f} %'
                     for name, seconds in found.items())
    return f'{text}; data, in workers, {100 * reading:.0f} %'


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('--methods', nargs='+', default=METHODS)
    args = parser.parse_args()
    register_all_modules()
    size, batch, steps = (80, 16, 30) if args.full else (80, 8, 8)
    reading = reading_seconds(size)
    rows = []
    for method in args.methods:
        case = Case(method, size, batch, steps)
        done = case.run()
        bare, ours = done.medians()
        rows.append(Row(f'training step, {method}', bare * 1e3, ours * 1e3, 'ms', shares(
            done.parts, reading * batch * len(case.data.views) / ours)))
        report(rows[-1:])
    save(rows, args.json)


if __name__ == '__main__':
    main()
