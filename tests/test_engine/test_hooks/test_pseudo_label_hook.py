import json

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmwsss.engine.hooks import PseudoLabelHook
from mmwsss.inference import seed_mask
from mmwsss.structures.artifacts import load_cam, read_classes, read_mask

PACK = dict(type='PackWSSSInputs')


def run(tmp_path, **hook):
    data = dict(type='ShapesDataset', data_root=str(tmp_path / 'shapes'), num_images=6,
                image_size=32)
    cfg = Config(dict(
        default_scope='mmwsss', work_dir=str(tmp_path / 'work'),
        model=dict(
            type='WSSSClassifier',
            backbone=dict(type='mmseg.ResNet', depth=18, num_stages=1, stem_channels=8,
                          base_channels=8, strides=(1, ), dilations=(1, ), out_indices=(0, )),
            head=dict(type='GAPHead', num_classes=6, in_channels=8)),
        train_dataloader=dict(
            batch_size=3, num_workers=0, collate_fn=dict(type='pseudo_collate'),
            sampler=dict(type='EpochSampler'),
            dataset=dict(**data, pipeline=[dict(type='LoadImage'), PACK])),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        train_cfg=dict(type='WSSSTrainLoop', max_epochs=2),
        custom_hooks=[dict(
            type='PseudoLabelHook', dataset=data,
            cam=dict(scales=(1., ), flip=False, num_workers=0, batch_size=6), **hook)],
        experiment_name=tmp_path.name))
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner, tmp_path / 'work' / 'pseudo_labels'


def test_cams_seeds_and_scores_after_training(tmp_path):
    runner, folder = run(tmp_path, threshold='oracle')
    names = [f'train_{i:05d}' for i in range(6)]
    lines = (folder / 'cams' / 'manifest.jsonl').read_text().splitlines()
    assert [json.loads(line)['name'] for line in lines] == names
    scores = {key[len('pseudo/'):]: runner.message_hub.get_scalar(key).current()
              for key in runner.message_hub.log_scalars if key.startswith('pseudo/')}
    assert 0 <= scores['mIoU@oracle'] <= 100
    for name in names:
        expected = seed_mask(load_cam(folder / 'cams' / f'{name}.npz'), scores['threshold@oracle'])
        path = folder / 'seeds' / f'{name}.png'
        np.testing.assert_array_equal(read_mask(path), expected)
        assert list(read_classes(path)) == (path.parent / 'classes.txt').read_text().split()


def test_interval(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(PseudoLabelHook, 'make', lambda self, runner: made.append(runner.epoch))
    run(tmp_path, interval=1)
    assert len(made) == 2  # not a third time after the training


def test_options(tmp_path):
    for options, message in ((dict(interval=0), 'interval=0'), (dict(threshold='best'), 'best'),
                             (dict(threshold='oracle', score=None), 'needs score')):
        with pytest.raises(ValueError, match=message):
            PseudoLabelHook(**options)
