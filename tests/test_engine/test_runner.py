"""What WSSSRunner changes of mmengine's Runner."""

import os

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmwsss.engine import WSSSRunner
from mmwsss.utils.errors import explain


def test_deterministic_warns_where_there_is_no_such_form(monkeypatch):
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)
    runner = object.__new__(WSSSRunner)
    try:
        runner.set_randomness(3, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8' and runner.seed == 3
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False
        torch.backends.cudnn.benchmark = False


def test_a_config_without_a_model():
    for cfg in (Config(dict()), Config(dict(model=None))):
        with pytest.raises(ValueError, match=r'has no model=dict\(...\)'):
            WSSSRunner.from_cfg(cfg)


@pytest.mark.parametrize('wrapper', [
    dict(optimizer=dict(type='SDG', lr=1.)), dict(one=dict(optimizer=dict(type='SDG', lr=1.)))])
def test_an_optimizer_that_there_is_not(wrapper):
    with pytest.raises(KeyError) as caught:
        object.__new__(WSSSRunner).build_optim_wrapper(wrapper)
    assert 'there is no optimizer "SDG"; did you mean SGD' in explain(caught.value)


def test_sync_bn_must_not_drop_activations():
    class BatchNormAct2d(nn.BatchNorm2d):
        """timm's has an activation inside."""

    runner = object.__new__(WSSSRunner)
    runner.cfg = Config(dict(sync_bn='torch'))
    with pytest.raises(ValueError, match='activations of timm'):
        runner.wrap_model(None, nn.Sequential(BatchNormAct2d(2)))
