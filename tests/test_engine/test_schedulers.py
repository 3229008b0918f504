"""The schedules against their formulas."""

import math
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.optim import OptimWrapper

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
    cfg = Config.fromfile(CONFIGS / '_base_/schedules/adamw_60e.py').param_scheduler
    assert len(cfg) == 1
    base = 5e-4 * 64 / 512
    options = dict(cfg[0])
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
    with pytest.raises(ValueError, match='warmup=20 must be in'):
        make(**{**options, 'warmup': 20})
