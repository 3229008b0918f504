"""The field's parameter groups, several optimizers from a config, AMP on a CPU."""

import copy
import re

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from torch import nn

from mmwsss.engine import Bfloat16OptimWrapper, checks, optimizers, use_amp
from mmwsss.registry import OPTIM_WRAPPERS


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
        self.backbone[0].weight.requires_grad_(False)
        self.head = nn.Conv2d(4, 2, 1)
        self.head2 = nn.Linear(2, 2)
        self.token = nn.Parameter(torch.zeros(3))
        self.networks = nn.ModuleDict(dict(adversary=nn.Conv2d(3, 2, 1)))
        self.wsss_modules = nn.ModuleList()


SGD = dict(type='SGD', lr=0.1, weight_decay=1e-4)


def build(model, optimizer=SGD, **paramwise):
    return build_optim_wrapper(model, dict(
        constructor='WSSSOptimWrapperConstructor', type='OptimWrapper', optimizer=dict(optimizer),
        paramwise_cfg=paramwise))


def settings(model, wrapper):
    """Rate and decay of each parameter, in multiples of the base."""
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: (round(group['lr'] / 0.1, 6), round(group['weight_decay'] / 1e-4, 6))
        for group in wrapper.optimizer.param_groups for p in group['params']}


def test_the_fields_groups():
    model = Net()
    wrapper = build(model, new_layers=('head.', 'wsss_modules'))
    assert type(wrapper) is OptimWrapper
    assert settings(model, wrapper) == {
        'backbone.0.bias': (2, 0), 'backbone.1.weight': (1, 0), 'backbone.1.bias': (1, 0),
        'backbone.2.weight': (1, 1), 'backbone.2.bias': (2, 0), 'head.weight': (10, 1),
        'head.bias': (20, 0), 'head2.weight': (1, 1), 'head2.bias': (2, 0), 'token': (1, 0),
        'networks.adversary.weight': (1, 1), 'networks.adversary.bias': (2, 0)}
    assert len(wrapper.optimizer.param_groups) == 5  # merged
    assert wrapper.get_lr()['lr'][0] == pytest.approx(0.1)
    assert all(group['momentum'] == 0 for group in wrapper.optimizer.param_groups)


def test_the_earlier_name_of_modules():
    """``ideas`` in configs is ``wsss_modules``."""
    model = Net()
    model.wsss_modules.append(nn.Conv2d(2, 2, 1))
    rates = settings(model, build(model, new_layers=('ideas', )))
    assert rates['wsss_modules.0.weight'] == (10, 1) and rates['head.weight'] == (1, 1)
    assert settings(model, build(model, new_layers=('ideas.0', ))) == rates
    parts = dict(
        one=dict(params=('ideas', ), optimizer=SGD),
        rest=dict(params=('backbone', 'head', 'head2', 'token', 'networks'), optimizer=SGD))
    wrapper = build_optim_wrapper(
        model, dict(parts, constructor='MultiOptimWrapperConstructor'))
    assert set(settings(model, wrapper['one'])) == {
        'wsss_modules.0.weight', 'wsss_modules.0.bias'}


def test_multipliers_are_options():
    model = Net()
    rates = settings(model, build(model, new_layers=('token', ), new_lr_mult=5, bias_lr_mult=1))
    assert rates['token'] == (5, 0) and rates['head.bias'] == (1, 0)


def test_weight_decay_on_everything():
    """IRN and SIPE: one decay for all, norms included; the rates do not change."""
    model = Net()
    plain = settings(model, build(model, new_layers=('head', )))
    decayed = settings(model, build(model, new_layers=('head', ), decay_all=True))
    assert decayed == {name: (rate, 1) for name, (rate, _) in plain.items()}


def test_legacy_momentum_is_the_weight_decay():
    wrapper = build(Net(), legacy_momentum=True)
    assert {group['momentum'] for group in wrapper.optimizer.param_groups} == {1e-4}
    with pytest.raises(ValueError, match='give weight_decay and no momentum'):
        build(Net(), dict(SGD, momentum=0.9), legacy_momentum=True)


def test_without_options_one_group():
    wrapper = build_optim_wrapper(
        Net(), dict(constructor='WSSSOptimWrapperConstructor', optimizer=dict(SGD)))
    assert [len(group['params']) for group in wrapper.optimizer.param_groups] == [12]


def test_shared_parameters_come_once():
    model = Net()
    model.head2.weight = nn.Parameter(torch.zeros(2, 2))
    model.tied = nn.Linear(2, 2, bias=False)
    model.tied.weight = model.head2.weight
    groups = build(model, bias_lr_mult=2).optimizer.param_groups
    params = [p for group in groups for p in group['params']]
    assert len(params) == len(set(params)) == 12


@pytest.mark.parametrize('paramwise, match', [
    (dict(new_layers=('haed', )), 'the model has no "haed"; its parts are'),
    (dict(custom_keys={}), r"unknown \['custom_keys'\]"),
])
def test_bad_options(paramwise, match):
    with pytest.raises(ValueError, match=match):
        build(Net(), **paramwise)


def test_all_frozen():
    with pytest.raises(ValueError, match='all are frozen'):
        build(Net().requires_grad_(False), new_layers=())


# -- several optimizers ----------------------------------------------------------------------------
def several(model, **changes):
    cfg = dict(
        constructor='MultiOptimWrapperConstructor',
        localizer=dict(params=('backbone', 'head', 'head2', 'token'), optimizer=dict(SGD),
                       paramwise_cfg=dict(new_layers=('head', ), legacy_momentum=True)),
        adversary=dict(params='networks.adversary', type='OptimWrapper', accumulative_counts=2,
                       optimizer=dict(type='Adam', lr=1e-3)))
    for name, value in changes.items():
        if value is None:
            del cfg[name]
        else:
            cfg[name] = dict(cfg.get(name, {}), **value)
    return build_optim_wrapper(model, ConfigDict(cfg))


def test_several_optimizers():
    model = Net()
    wrappers = several(model)
    assert isinstance(wrappers, OptimWrapperDict)
    assert settings(model, wrappers['localizer'])['head.bias'] == (20, 0)
    assert isinstance(wrappers['adversary'].optimizer, torch.optim.Adam)
    assert wrappers['adversary'].param_groups[0]['params'] == [
        *model.networks.adversary.parameters()]
    names = {name for part in wrappers.values() for name in settings(model, part)}
    assert names == {name for name, p in model.named_parameters() if p.requires_grad}


def test_states_are_kept_apart():
    model = Net()
    wrappers = several(model)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    for wrapper in wrappers.values():
        wrapper.step()
    again = several(model)
    again.load_state_dict(copy.deepcopy(wrappers.state_dict()))
    state = again['adversary'].optimizer.state[model.networks.adversary.bias]
    assert state['step'] == 1 and state['exp_avg'].abs().sum() > 0


@pytest.mark.parametrize('changes, match', [
    (dict(localizer=dict(params=('backbone', 'head'))),
     r"3 trainable parameters belong to no optimizer, e.g. \['token', 'head2.weight'"),
    (dict(adversary=dict(params=('networks', 'head'))), 'in params of two optimizers'),
    (dict(critic=dict(params=('networks.critic', ), optimizer=SGD)), 'optim_wrapper.critic: no'),
    (dict(critic=dict(optimizer=SGD)), r'optim_wrapper.critic must be dict\(params='),
    (dict(critic=dict(params=('a', ))), 'needs optimizer='),
])
def test_bad_parts(changes, match):
    with pytest.raises(ValueError, match=match):
        several(Net(), **changes)


# -- AMP -------------------------------------------------------------------------------------------
def test_bfloat16_on_the_cpu():
    model = Net()
    wrapper = OPTIM_WRAPPERS.build(dict(type='Bfloat16OptimWrapper'), default_args=dict(
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1)))
    with wrapper.optim_context(model):
        out = model.backbone[0](torch.ones(1, 3, 2, 2))
    assert out.dtype == torch.bfloat16
    assert model.backbone[0](torch.ones(1, 3, 2, 2)).dtype == torch.float32
    before = model.backbone[0].bias.detach().clone()
    wrapper.update_params(out.float().sum())
    assert model.backbone[0].bias.dtype == torch.float32
    assert not model.backbone[0].bias.equal(before)


def test_amp_switch(monkeypatch):
    monkeypatch.setenv('MMWSSS_FORCE_AMP', '1')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    one = ConfigDict(type='OptimWrapper', optimizer=SGD)
    use_amp(one)
    assert one.type == 'Bfloat16OptimWrapper'
    two = ConfigDict(constructor='X', a=dict(params='a', optimizer=SGD),
                     b=dict(params='b', optimizer=SGD))
    use_amp(two)
    assert [two[name].type for name in 'ab'] == ['Bfloat16OptimWrapper'] * 2
    with pytest.raises(ValueError, match='the config has type="Apex"'):
        use_amp(dict(type='Apex', optimizer=SGD))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    one = dict(optimizer=SGD)
    use_amp(one)
    assert one['type'] == 'AmpOptimWrapper'


def test_several_with_amp(monkeypatch):
    monkeypatch.setenv('MMWSSS_FORCE_AMP', '1')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = ConfigDict(
        constructor='MultiOptimWrapperConstructor',
        a=dict(params=('backbone', 'head', 'head2', 'token'), optimizer=dict(SGD)),
        b=dict(params=('networks', ), optimizer=dict(SGD)))
    use_amp(cfg)
    wrappers = build_optim_wrapper(Net(), cfg)
    assert all(isinstance(wrapper, Bfloat16OptimWrapper) for wrapper in wrappers.values())


@pytest.mark.parametrize('flags, native', [
    ('avx2 avx512f avx512_bf16', True), ('amx_bf16 amx_tile', True), ('fp asimd bf16', True),
    ('avx2 avx512f amx_tile', False), (None, False)])
def test_amp_needs_native_bfloat16(monkeypatch, flags, native):
    def read(path, *_):
        if flags is None:
            raise FileNotFoundError(path)
        return f'flags : {flags}\n'

    monkeypatch.setattr(optimizers.Path, 'read_text', read)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.delenv('MMWSSS_FORCE_AMP', raising=False)
    said = []
    monkeypatch.setattr(optimizers, 'print_log', lambda text, **_: said.append(text))
    cfg = dict(optimizer=SGD)
    use_amp(cfg)
    assert cfg.get('type', 'OptimWrapper') == ('Bfloat16OptimWrapper' if native else 'OptimWrapper')
    assert len(said) == (0 if native else 1) and all('float32' in text for text in said)


def test_keys_of_no_parameter_are_named(monkeypatch):
    model = torch.nn.ModuleDict(dict(head=torch.nn.Linear(2, 2)))
    said = []
    monkeypatch.setattr(checks, 'print_log', lambda text, **kwargs: said.append(text))
    checks.check_paramwise(model, dict(paramwise_cfg=dict(custom_keys=dict(
        haed=dict(lr_mult=10.), head=dict(lr_mult=10.)))))
    assert len(said) == 1 and 'no parameter has "haed" in its name; did you mean head' in said[0]
    with pytest.raises(TypeError, match='paramwise_cfg has no option "bias_lr_mul"'):
        checks.check_paramwise(model, dict(paramwise_cfg=dict(bias_lr_mul=2.)))
    for wrong, where in (('lr_mult=2', ''), (dict(custom_keys='head'), '.custom_keys'),
                         (dict(custom_keys=dict(head=10.)), ".custom_keys['head']")):
        with pytest.raises(TypeError, match=re.escape(f'paramwise_cfg{where} must be a dict, not')):
            checks.check_paramwise(model, dict(paramwise_cfg=wrong))
    checks.check_paramwise(model, dict(  # one of our own, which checks by itself
        constructor='WSSSOptimWrapperConstructor', paramwise_cfg=dict(new_layers=('head', ))))
