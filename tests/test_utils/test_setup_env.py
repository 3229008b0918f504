import pytest
import torch
from mmengine.config import Config

from mmwsss.utils import setup_env, setup_launcher


def test_one_process_needs_nothing():
    cfg = Config(dict())
    setup_launcher(cfg, 'none')
    assert cfg.to_dict() == dict(launcher='none')


@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_launchers_that_need_a_gpu(launcher, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match=f'--launcher {launcher} needs GPUs'):
        setup_launcher(Config(dict()), launcher)


def test_tools_without_a_runner_join_on_gpus_too(monkeypatch):
    joined = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(setup_env, 'set_multi_processing', lambda **kwargs: None)
    monkeypatch.setattr(setup_env, 'init_dist', lambda *args, **kwargs: joined.append(
        (args, kwargs)))
    cfg = Config(dict(env_cfg=dict(dist_cfg=dict(backend='nccl'))))
    setup_launcher(cfg, 'pytorch')
    assert joined == [(('pytorch', ), dict(backend='nccl'))]
    assert 'model_wrapper_cfg' not in cfg
