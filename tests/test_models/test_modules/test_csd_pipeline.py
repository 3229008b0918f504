"""CSD with prior masks that the pipeline has the base make."""

import json

import pytest

from mmwsss.pipeline import Pipeline

BASE = '''
default_scope = 'mmwsss'
data = dict(type='ShapesDataset', data_root={root!r}, num_images=24, image_size=48)
load, pack = dict(type='LoadImage'), dict(type='PackWSSSInputs')
train_pipeline = [load, dict(type='RandomPadCrop', size=40), pack]
loader = dict(batch_size=8, num_workers=0, collate_fn=dict(type='pseudo_collate'))
train_dataloader = dict(
    **loader, sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(**data, pipeline=train_pipeline))
val_dataloader = dict(
    **loader, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**data, test_mode=True, pipeline=[load, dict(type='LoadMask'), pack]))
model = dict(
    type='WSSSClassifier',
    backbone=dict(type='TinyStages'),
    head=dict(type='GAPHead', num_classes=6, in_channels=8))
val_cfg = dict(type='ValLoop')
val_evaluator = dict(type='SeedMetric')
train_cfg = dict(type='WSSSTrainLoop', max_epochs=2, val_begin=9)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1), checkpoint=dict(type='WSSSCheckpointHook'))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
pipeline = dict(mask=dict(type='ThresholdMask', bg=0.3))
'''
CSD = '''
_base_ = 'base.py'
model = dict(modules=[dict(type='CrossDomainDecoupling', begin=1)])
train_dataloader = dict(dataset=dict(
    _delete_=True,
    type='CrossDomainDataset',
    dataset=dict(_base_.train_dataloader.dataset, prior_dir='not/made/yet'),
    mix_pipeline=[_base_.load, dict(type='LoadMask', key='prior_mask'),
                  dict(type='RandomPadCrop', size=40), _base_.pack],
    begin=1))
pipeline = dict(prior={base!r})
'''


@pytest.mark.slow
def test_the_base_makes_the_prior_masks(tmp_path):
    (tmp_path / 'base.py').write_text(BASE.format(root=str(tmp_path / 'shapes')))
    (tmp_path / 'csd.py').write_text(CSD.format(base=str(tmp_path / 'base.py')))
    Pipeline(tmp_path / 'csd.py', tmp_path / 'out', device='cpu').run()
    assert len(list((tmp_path / 'out' / 'prior' / 'mask').glob('train_*.png'))) == 24
    assert len(list((tmp_path / 'out' / 'mask').glob('train_*.png'))) == 24
    log = next((tmp_path / 'out' / 'classify').glob('*/vis_data/*.json')).read_text()
    names = set().union(*(json.loads(line) for line in log.splitlines() if 'loss' in line))
    assert {'csd.loss_fg', 'csd.loss_bg'} <= names
