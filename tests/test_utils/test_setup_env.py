import gc
import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmwsss.utils import setup_env, setup_launcher

ROOT = Path(__file__).parents[2]


def test_one_process_needs_nothing():
    cfg = Config(dict())
    setup_launcher(cfg, 'none')
    assert cfg.to_dict() == dict(launcher='none')


@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_launchers_that_need_a_gpu(launcher, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match=f'--launcher {launcher} needs GPUs'):
        setup_launcher(Config(dict()), launcher)


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert setup_env.choose_device().type == setup_env.choose_device('cpu').type == 'cpu'
    with pytest.raises(ValueError, match='device "gpu" is none of PyTorch'):
        setup_env.choose_device('gpu')
    with pytest.raises(ValueError, match='device "cuda:1": PyTorch .* sees no GPU'):
        setup_env.choose_device('cuda:1')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert setup_env.choose_device().type == 'cuda'
    assert setup_env.choose_device('cuda:1') == torch.device('cuda:1')


def test_tools_without_a_runner_join_on_gpus_too(monkeypatch):
    joined = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(setup_env, 'set_multi_processing', lambda **kwargs: None)
    monkeypatch.setattr(setup_env, 'init_dist', lambda *args, **kwargs: joined.append(
        (args, kwargs)))
    cfg = Config(dict(env_cfg=dict(dist_cfg=dict(backend='nccl'))))
    setup_launcher(cfg, 'pytorch')
    assert joined == [(('pytorch', ), dict(backend='nccl', timeout=86400))]
    assert 'model_wrapper_cfg' not in cfg


def test_a_process_on_cpus_leaves_its_group_at_the_end():
    program = (
        'import atexit, torch\n'
        'from mmengine.config import Config\n'
        'from mmwsss.utils import setup_launcher\n'
        # called after what setup_launcher registers, as that comes later
        'atexit.register(lambda: print(torch.distributed.is_initialized()))\n'
        'setup_launcher(Config(dict()), "pytorch")\n'
        'print(torch.distributed.is_initialized())\n')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [sys.executable, '-c', program], cwd=ROOT, check=True, timeout=120, text=True,
        capture_output=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT), CUDA_VISIBLE_DEVICES='', RANK='0',
                 WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)))
    assert done.stdout.split() == ['True', 'False']


def test_registering_needs_no_import_of_the_user():
    """In a process of its own, since this one has imported all of it."""
    program = (
        'import sys, mmwsss\n'
        'from mmwsss.utils import register_all_modules\n'
        'assert not any(name.startswith("mmwsss.models") for name in sys.modules)\n'
        'register_all_modules()\n'
        'from mmengine.registry import DefaultScope, MODELS\n'
        'from mmseg.registry import DATASETS\n'
        'assert DefaultScope.get_current_instance().scope_name == "mmwsss"\n'
        'assert "WSSSClassifier" in MODELS.children["mmwsss"].module_dict\n'
        'assert "PseudoMaskDataset" in DATASETS.module_dict\n')
    subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=True, timeout=120,
                   env=dict(os.environ, PYTHONPATH=str(ROOT)))


def test_imports_are_frozen_once(monkeypatch):
    setup_env.freeze_imports()
    frozen, young = gc.get_freeze_count(), [[]]
    setup_env.freeze_imports()  # nothing was imported since
    assert gc.is_tracked(young) and gc.get_freeze_count() <= frozen
    assert any(one is young for one in gc.get_objects())
    monkeypatch.setitem(sys.modules, 'another', sys)
    setup_env.freeze_imports()
    assert gc.get_freeze_count() > frozen and not any(one is young for one in gc.get_objects())


def test_data_sets_freeze_what_was_imported(tmp_path, monkeypatch):
    from mmwsss.datasets import ShapesDataset
    monkeypatch.setattr(setup_env, '_frozen_modules', 0)
    ShapesDataset(data_root=str(tmp_path), split='train', num_images=2, image_size=32)
    assert setup_env._frozen_modules > 0


def test_each_training_says_whether_parameters_are_unused(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for value in (True, False):
        cfg = Config(dict(find_unused_parameters=value))
        setup_env.use_launcher(cfg, 'pytorch')
        assert cfg.launcher == 'pytorch'
        assert cfg.model_wrapper_cfg.find_unused_parameters is value


@pytest.mark.parametrize('tool', ['train', 'test', 'run_pipeline', 'make_cams', 'generate_masks'])
def test_every_tool_joins_as_its_config_says(tool, monkeypatch, tmp_path):
    """Backend and timeout are those of ``env_cfg``."""
    class Joined(Exception):
        pass

    def init_dist(launcher, **kwargs):
        raise Joined(launcher, kwargs)

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')  # a new logger of mmengine looks
    monkeypatch.setattr(setup_env, 'set_multi_processing', lambda **kwargs: None)
    monkeypatch.setattr(setup_env, 'init_dist', init_dist)
    monkeypatch.syspath_prepend(ROOT / 'tools')
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location(f'{tool}_', ROOT / 'tools' / f'{tool}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    words = [str(ROOT / 'configs/demo/cam_shapes.py')] + ['x.pth'] * (tool == 'test')
    monkeypatch.setattr(sys, 'argv', [tool, *words, '--launcher', 'pytorch'])
    with pytest.raises(Joined) as found:
        module.run(module.parse_args())
    assert found.value.args == ('pytorch', dict(backend='nccl', timeout=86400))
