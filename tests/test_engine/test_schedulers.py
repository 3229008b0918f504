"""The schedules against their formulas."""

import math
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from mmwsss.registry import PARAM_SCHEDULERS

CONFIGS = Path(__file__).parents[2] / 'configs'


def make(end, lrs=(0.01, 0.1), kind='MaxStepPolyLR', **kwargs):
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in lrs]
    wrapper = OptimWrapper(torch.optim.SGD(groups, lr=1.))
    cfg = dict(type=kind, end=end, **kwargs)
    return wrapper, PARAM_SCHEDULERS.build(
        cfg, default_args=dict(optimizer=wrapper, epoch_length=5))


def run(wrapper, scheduler, steps):
    rates = []
    for _ in range(steps):
        rates.append([group['lr'] for group in wrapper.optimizer.param_groups])
        wrapper.optimizer.step()
        scheduler.step()
    return rates


def test_formula():
    rates = run(*make(end=20, by_epoch=False), 20)
    for step, (low, high) in enumerate(rates):
        assert low == 0.01 * (1 - step / 20)**0.9
        assert high == 0.1 * (1 - step / 20)**0.9


def test_max_step_of_epochs_and_the_end():
    # 4 epochs of 5 iterations; after max_step the rate stays.
    wrapper, scheduler = make(end=4, by_epoch=True, convert_to_iter_based=True, power=2.)
    rates = run(wrapper, scheduler, 25)
    assert rates[19][0] == 0.01 * (1 - 19 / 20)**2
    assert rates[20:] == [rates[19]] * 5


def test_begin_and_floor():
    rates = run(*make(end=12, begin=2, by_epoch=False, eta_min=0.005, lrs=(0.01, )), 13)
    expected = [0.01] * 2 + [0.005 + 0.005 * (1 - i / 10)**0.9 for i in range(10)]
    assert [rate for rate, in rates[:12]] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('stop', [1, 7, 19])
def test_resumed_equals_never_stopped(stop):
    whole = run(*make(end=20, by_epoch=False), 20)
    wrapper, scheduler = make(end=20, by_epoch=False)
    run(wrapper, scheduler, stop)
    state, rates = scheduler.state_dict(), wrapper.state_dict()
    wrapper, scheduler = make(end=20, by_epoch=False)
    wrapper.load_state_dict(rates)
    scheduler.load_state_dict(state)
    assert run(wrapper, scheduler, 20 - stop) == whole[stop:]


# -- the length of a training stands in one place --------------------------------------------------

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(
    path for pattern in ('configs/*/*.py', 'projects/*/configs/*.py') for path in ROOT.glob(pattern)
    if path.parent.name not in ('_base_', 'tables'))


class ToyModel(BaseModel):

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs, mode='loss'):
        return dict(loss=self.layer(torch.stack(inputs)).sum())


class Numbers(torch.utils.data.Dataset):

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return dict(inputs=torch.ones(1))


class Rates(Hook):

    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen.append(runner.optim_wrapper.param_groups[0]['lr'])


def rates_of(folder, schedule, train_cfg):
    """Rate of each step when mmengine's Runner trains with the schedule."""
    hook = Rates()
    runner = Runner(
        ToyModel(), str(folder), experiment_name=f'{folder.name}_{time.time_ns()}',
        train_dataloader=dict(
            batch_size=2, num_workers=0, dataset=Numbers(),
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate')),
        train_cfg=train_cfg, optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        param_scheduler=schedule, custom_hooks=[hook], default_scope='mmwsss',
        log_level='ERROR', default_hooks=dict(checkpoint=None, logger=None))
    runner.train()
    return hook.seen


@pytest.mark.parametrize('epochs', [2, 5])
@pytest.mark.parametrize('base', ['poly_40e', 'adamw_60e', 'deeplab_20k', 'poly_iters'])
def test_a_shorter_training_shortens_the_curve(base, epochs, tmp_path):
    """As --cfg-options train_cfg.max_epochs=N does: the rate falls over the steps that are left."""
    cfg = Config.fromfile(ROOT / f'configs/_base_/schedules/{base}.py')
    length = dict(max_epochs=epochs) if cfg.train_cfg.get('max_epochs') else dict(
        max_iters=4 * epochs)
    cfg.merge_from_dict({f'train_cfg.{key}': value for key, value in length.items()})
    rates, steps = rates_of(tmp_path, cfg.param_scheduler, cfg.train_cfg), 4 * epochs
    assert len(rates) == steps
    if base == 'adamw_60e':  # a warmup of 5 epochs, longer than the training or as long
        times = [max(i // 4 - 1, 0) for i in range(steps)]
        expected = [1e-6 + (0.1 - 1e-6) * t / 5 for t in times]
    elif base == 'deeplab_20k':  # mmengine's, at zero one step earlier
        expected = [0.1 * (1 - i / (steps - 1))**0.9 for i in range(steps)]
    else:
        expected = [0.1 * (1 - i / steps)**0.9 for i in range(steps)]
    assert rates == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_stretched(tmp_path):
    """The rate falls as if the training were twice as long."""
    poly = dict(type='MaxStepPolyLR', by_epoch=True, convert_to_iter_based=True, stretch=2)
    rates = rates_of(tmp_path, poly, dict(type='WSSSTrainLoop', max_epochs=3))
    assert rates == pytest.approx([0.1 * (1 - i / 24)**0.9 for i in range(12)], rel=1e-6)


def test_cosine_ends_with_the_training(tmp_path):
    cfg = Config.fromfile(ROOT / 'configs/_base_/schedules/adamw_60e.py')
    rates = rates_of(tmp_path, cfg.param_scheduler, dict(type='WSSSTrainLoop', max_epochs=8))
    expected = [timm_rate(epoch - 1, 0.1, length=8) for epoch in (6, 7) for _ in range(4)]
    assert rates[24:] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_no_config_names_the_length_twice(path):
    """Only a warmup has an end of its own."""
    cfg = Config.fromfile(path, import_custom_modules=False)
    schedules = cfg.get('param_scheduler') or []
    for schedule in [schedules] if isinstance(schedules, dict) else schedules:
        assert schedule.type == 'LinearLR' or 'end' not in schedule
    assert cfg.train_cfg.get('val_begin') is None


def timm_rate(t, base, low=1e-5, start=1e-6, warmup=5, length=60):
    """timm's CosineLRScheduler without warmup_prefix, at step ``t``."""
    if t < warmup:
        return start + t * (base - start) / warmup
    return low + 0.5 * (base - low) * (1 + math.cos(math.pi * t / length))


def test_the_formula_is_that_of_timm():
    scheduler = pytest.importorskip('timm.scheduler')
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    cosine = scheduler.CosineLRScheduler(
        optimizer, t_initial=60, lr_min=1e-5, warmup_t=5, warmup_lr_init=1e-6)
    for t in range(60):
        cosine.step(t)
        assert optimizer.param_groups[0]['lr'] == pytest.approx(timm_rate(t, 0.01), rel=1e-12)


def test_mctformer_rate_of_each_epoch():
    """Its main.py builds the scheduler (rate of t = 0) and steps it after epoch e with t = e."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/schedules/adamw_60e.py').param_scheduler
    assert len(cfg) == 1
    base = 5e-4 * 64 / 512
    options = dict(cfg[0], end=60)  # which the runner gives
    wrapper, scheduler = make(kind=options.pop('type'), lrs=(base, ), **options)
    rates = [rate for rate, in run(wrapper, scheduler, 60)]
    expected = [timm_rate(0, base)] + [timm_rate(epoch, base) for epoch in range(59)]
    assert rates == pytest.approx(expected, rel=1e-9)
    # The warm-up is not subtracted: with it, the first step of the cosine would be at the base.
    assert rates[6] < 0.99 * base


def test_warmup_cosine_resumed_and_wrong():
    options = dict(end=20, kind='WarmupCosineLR', warmup=4, delay=0, eta_min=1e-5)
    whole = run(*make(**options), 20)
    assert whole[4][0] == pytest.approx(timm_rate(4, 0.01, warmup=4, length=20))
    wrapper, scheduler = make(**options)
    run(wrapper, scheduler, 7)
    state, rates = scheduler.state_dict(), wrapper.state_dict()
    wrapper, scheduler = make(**options)
    wrapper.load_state_dict(rates)
    scheduler.load_state_dict(state)
    assert run(wrapper, scheduler, 13) == whole[7:]
    with pytest.raises(ValueError, match='warmup=-1 must not be negative'):
        make(**{**options, 'warmup': -1})
