"""The field's polynomial decay against its formula."""

import pytest
import torch
from mmengine.optim import OptimWrapper

from mmwsss.registry import PARAM_SCHEDULERS


def make(end, lrs=(0.01, 0.1), **kwargs):
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in lrs]
    wrapper = OptimWrapper(torch.optim.SGD(groups, lr=1.))
    cfg = dict(type='MaxStepPolyLR', end=end, **kwargs)
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
