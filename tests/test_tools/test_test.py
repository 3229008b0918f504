"""tools/test.py where the config has no test set, or the checkpoint is of another model."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('test_tool', ROOT / 'tools/test.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_validation_set_takes_its_place(tool):
    cfg = Config(dict(val_dataloader=dict(a=1), val_evaluator=dict(b=2), val_cfg=dict(type='V')))
    tool.use_validation(cfg)
    assert cfg.test_dataloader == dict(a=1) and cfg.test_evaluator == dict(b=2)
    assert cfg.test_cfg == dict(type='TestLoop')
    cfg.test_dataloader, cfg.test_cfg = dict(c=3), dict(type='Own')
    tool.use_validation(cfg)
    assert cfg.test_dataloader == dict(c=3) and cfg.test_cfg == dict(type='Own')


@pytest.mark.parametrize('cfg', [dict(), dict(val_dataloader=None, test_dataloader=None)])
def test_nothing_to_score_on(tool, cfg):
    with pytest.raises(ValueError, match='neither test_dataloader nor val_dataloader'):
        tool.use_validation(Config(cfg))


@pytest.mark.parametrize('weights, words', [
    ({'backbone.conv1.weight': torch.zeros(16, 3, 7, 7)}, 'does not fit.*missing'),
    ({'decode_head.conv_seg.weight': torch.zeros(99, 1, 1, 1)}, 'does not fit'),
])
def test_weights_of_another_model(weights, words, tmp_path):
    """A model that keeps random weights is not scored."""
    torch.save(dict(state_dict=weights), tmp_path / 'other.pth')
    done = subprocess.run(
        [sys.executable, ROOT / 'tools/test.py', ROOT / 'configs/deeplab/deeplabv2_small_shapes.py',
         tmp_path / 'other.pth', '--work-dir', tmp_path / 'work'], capture_output=True, text=True,
        cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 2 and re.search(words, done.stderr), done.stderr
    assert 'Traceback' not in done.stderr
