"""tools/test.py where the config has no test set."""

import importlib.util
from pathlib import Path

import pytest
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
