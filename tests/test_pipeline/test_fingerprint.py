"""What a stage's result depends on is in its fingerprint."""

import copy
import importlib.util
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.pipeline import Pipeline
from mmwsss.pipeline.compare import open_run
from mmwsss.pipeline.fingerprint import _own_file, code_digests
from mmwsss.pipeline.run_record import write_run
from mmwsss.registry import MODELS


def prints(config, work, **kwargs):
    pipeline = Pipeline(copy.deepcopy(config), work, **kwargs)
    return {name: stage.fingerprint for name, stage in pipeline.stages.items()}


def changed(config, before, work):
    after = prints(config, work)
    return [name for name in before if after[name] != before[name]]


@pytest.mark.parametrize('key, value', [
    ('auto_scale_lr', dict(enable=True, base_batch_size=16)), ('sync_bn', 'torch'),
    ('randomness', dict(diff_rank_seed=True))])
def test_what_the_runner_does_to_the_training(config, tmp_path, key, value):
    before = prints(config, tmp_path)
    config[key] = value
    assert changed(config, before, tmp_path) == ['classify', 'cam', 'mask']


def test_scored_images(config, tmp_path):
    """Other images, or ground truth of images that had none."""
    before = prints(config, tmp_path)
    config.val_dataloader.dataset.indices = 3
    assert changed(config, before, tmp_path) == ['cam', 'mask']
    config.val_dataloader.dataset.indices = None
    assert changed(config, before, tmp_path) == []
    config.val_dataloader.dataset.seg_dir = 'nowhere'
    assert changed(config, before, tmp_path) == ['cam', 'mask']


@pytest.mark.parametrize('option', ['saliency_dir', 'prior_dir'])
def test_maps_of_the_images(config, tmp_path, option):
    folder = tmp_path / 'maps'
    config.train_dataloader.dataset[option] = str(folder)
    before = prints(config, tmp_path / 'w')
    folder.mkdir()
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(folder / 'train_00002.png')
    assert changed(config, before, tmp_path / 'w') == ['classify', 'cam', 'mask']


def test_weights_of_the_refiner(config, tmp_path):
    weights = tmp_path / 'net.pth'
    weights.write_bytes(b'one')
    config.pipeline.mask.checkpoint = str(weights)
    before = prints(config, tmp_path / 'w')
    weights.write_bytes(b'two')
    assert changed(config, before, tmp_path / 'w') == ['mask']


@pytest.mark.skipif(torch.cuda.is_available(), reason='float16 there')
def test_a_run_of_mixed_precision_is_opened_as_such(config, segment, tmp_path, monkeypatch):
    monkeypatch.setenv('MMWSSS_FORCE_AMP', '1')
    start = tmp_path / 'start.py'
    config.dump(str(start))
    config.pipeline.update(start=str(start), segment=dict(config=segment))
    pipeline = Pipeline(copy.deepcopy(config), tmp_path / 'w', amp=True)
    write_run(pipeline)
    again = open_run(tmp_path / 'w')
    for name, stage in pipeline.stages.items():
        assert again.stages[name].fingerprint == stage.fingerprint, name
    assert prints(config, tmp_path / 'w')['segment'] != pipeline.stages['segment'].fingerprint


CODE = '''
from mmwsss.models.refiners import MaskRefiner
from mmwsss.pipeline.stage import Stage
from mmwsss.registry import {registry}


class Base({parent}):
    pass


@{registry}.register_module(force=True)
class {name}({child}):
    {body}
'''


def plugin(folder, monkeypatch, **words):
    """A module of the user, imported from a file."""
    path = folder / f'{words["name"].lower()}.py'
    path.write_text(CODE.format(**words))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    return path


def test_code_of_the_user(config, tmp_path, monkeypatch):
    """What a config names, or inherits from, in a file outside the package: a stage runs again
    after an edit, and those before it do not."""
    path = plugin(tmp_path, monkeypatch, registry='MODELS', name='EditedMask', child='Base',
                  parent='MaskRefiner', body='power = 1')
    before = prints(config, tmp_path / 'w')
    config.pipeline.mask.type = 'EditedMask'
    assert changed(config, before, tmp_path / 'w') == ['mask']
    before = prints(config, tmp_path / 'w')
    assert changed(config, before, tmp_path / 'w') == []
    path.write_text(path.read_text() + '\n# edited\n')
    assert changed(config, before, tmp_path / 'w') == ['mask']

    class Child(MODELS.get('EditedMask')):
        pass

    assert str(path) in {_own_file(parent) for parent in Child.__mro__}
    assert code_digests(dict(type='CRFMask', x=[dict(type='mmseg.ResNet'), 3])) == []


def test_stages_of_the_user(config, tmp_path, monkeypatch):
    path = plugin(tmp_path, monkeypatch, registry='STAGES', name='SharePart', child='Base',
                  parent='Stage', body='def __init__(self, share=1.):\n        self.share = share')
    config.pipeline.stages = dict(part=dict(type='SharePart'))
    before = prints(config, tmp_path / 'w')
    config.pipeline.stages.part.share = 0.5
    assert changed(config, before, tmp_path / 'w') == ['part']
    before = prints(config, tmp_path / 'w')
    path.write_text(path.read_text() + '\n# edited\n')
    assert changed(config, before, tmp_path / 'w') == ['part']
    config.pipeline.stages.cam = dict(type='CAMStage')  # as it is in the line
    assert changed(config, before, tmp_path / 'w') == ['part']
