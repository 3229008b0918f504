"""Killed with SIGKILL and resumed by tools/train.py equals never killed, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmwsss.utils import load_checkpoint_safely

ROOT = Path(__file__).parents[2]

# Dies at an iteration, or at the n-th time that a file is about to get its name.
KILLER = '''
import os, signal
from mmengine.hooks import Hook
from mmwsss.registry import HOOKS

count, replace = 0, os.replace

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def watched(*args):
    global count
    count += 1
    if os.environ.get('KILL_AT_RENAME') == str(count):
        die()
    return replace(*args)

os.replace = watched

@HOOKS.register_module()
class Killer(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if os.environ.get('KILL_AT') == str(runner.iter):
            die()
'''

BASE = '''
_base_ = ['{root}/configs/_base_/default_runtime.py']
custom_imports = dict(imports=['killer'])
custom_hooks = [dict(type='Killer')]
dataset = dict(
    type='ShapesDataset', data_root='{folder}/shapes', num_images=10, image_size=40,
    pipeline=[
        dict(type='LoadImage'), dict(type='ResizeLong', long=(32, 48)),
        dict(type='RandomFlip', prob=0.5), dict(type='RandomPadCrop', size=32),
        dict(type='PackWSSSInputs')])
train_dataloader = dict(
    batch_size=2, num_workers=0, drop_last=True, dataset=dataset,
    sampler=dict(type='EpochSampler'), collate_fn=dict(type='pseudo_collate'))
backbone = dict(
    type='ResNet38d', width=(8, 8, 8, 8, 16, 16, 16), drop_rates=(0.2, 0.2), norm_eval=False,
    frozen_stages=-1)
# 5 steps, then 2 in each epoch.
train_cfg = dict(type='WSSSTrainLoop', max_epochs=3, batch_size=[(0, 2), (1, 4)])
optim_wrapper = dict(
    constructor='WSSSOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(new_layers=('head', )))
param_scheduler = [dict(type='MaxStepPolyLR', end=3, by_epoch=True, convert_to_iter_based=True)]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=2, max_keep_ckpts=1), logger=dict(interval=1))
'''

SYSTEMS = dict(
    ktse='''
train_dataloader = dict(dataset=dict(_delete_=True, type='PairedDataset', dataset=dataset))
model = dict(
    type='WSSSClassifier', backbone=backbone,
    head=dict(type='GPPHead', num_classes=6, in_channels=16, embed_channels=8, background=True),
    modules=[
        dict(type='SimulatedInterImageErasing', num_pairs=1, begin=1),
        dict(type='SelfSupervisedRegularization', begin=1,
             refiner=dict(type='PAR', dilations=(1, 2), num_iters=2)),
        dict(type='MultiGranularityAlignment', begin=1)])
''',
    eader='''
network = dict(backbone=backbone, head=dict(type='GAPHead', num_classes=6, in_channels=16))
model = dict(
    type='WSSSClassifier', **network, modules=[dict(type='AdversarialErasing')],
    networks=dict(adversary=dict(type='CAMNetwork', **network)))
sgd = dict(type='SGD', lr=0.01, momentum=0.9)
optim_wrapper = dict(
    _delete_=True, constructor='MultiOptimWrapperConstructor',
    localizer=dict(params=('backbone', 'head'), optimizer=sgd),
    adversary=dict(params=('networks.adversary', ), optimizer=sgd))
train_cfg = dict(phases=[dict(optim='localizer', steps=2), dict(optim='adversary', steps=1)])
poly = dict(type='MaxStepPolyLR', end=3, by_epoch=True, convert_to_iter_based=True)
param_scheduler = dict(
    _delete_=True, localizer=[poly], adversary=[dict(poly, power=2.)])
''',
    rcm_mam='''
model = dict(
    type='WSSSClassifier', backbone=backbone, teacher=True,
    head=dict(type='GAPHead', num_classes=6, in_channels=16, embed_channels=8),
    modules=[
        dict(type='RegionalContrast', num_classes=6, embed_channels=8),
        dict(type='MultiScaleAttention', begin=1)])
train_cfg = dict(ema=dict(momentum=0.9))
optim_wrapper = dict(accumulative_counts=3)
''')


def log(folder):
    """Losses and rates by iteration; the later of two runs counts."""
    steps = {}
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            values = json.loads(line)
            steps[values['step']] = {
                key: value for key, value in values.items() if 'time' not in key}
    return steps


def equal(one, two, where=''):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, two), where
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            equal(one[key], two[key], f'{where}.{key}')
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(two), where
        for i, (mine, yours) in enumerate(zip(one, two)):
            equal(mine, yours, f'{where}[{i}]')
    else:
        assert one == two, where


@pytest.mark.slow
@pytest.mark.parametrize('system, kills, workers', [
    ('ktse', [dict(KILL_AT='3')], 0),
    ('ktse', [dict(KILL_AT='6'), dict(KILL_AT='7')], 2),
    ('eader', [dict(KILL_AT='2'), dict(KILL_AT='5')], 0),
    ('rcm_mam', [dict(KILL_AT='5')], 0),
    # Within the first checkpoint, and between a later one and its last_checkpoint.
    ('rcm_mam', [dict(KILL_AT_RENAME='2'), dict(KILL_AT_RENAME='4')], 2),
])
def test_killed_equals_never_killed(tmp_path, system, kills, workers):
    (tmp_path / 'killer.py').write_text(KILLER)
    (tmp_path / 'config.py').write_text(BASE.format(root=ROOT, folder=tmp_path))
    config = tmp_path / f'{system}.py'
    config.write_text(f"_base_ = './config.py'\ndataset = _base_.dataset\n"
                      f'backbone = _base_.backbone\n{SYSTEMS[system]}')
    options = ['--cfg-options', f'train_dataloader.num_workers={workers}']
    whole = [str(config), '--work-dir', str(tmp_path / 'whole'), *options]
    killed = [str(config), '--work-dir', str(tmp_path / 'killed'), '--resume', *options]
    check(tmp_path, whole, killed, kills)


def check(folder, whole, killed, kills):
    """Run both; the last checkpoint and all losses are equal."""
    runs = [[{}, whole], *([kill, killed] for kill in kills), [{}, killed]]
    paths = [str(ROOT), str(folder), os.environ.get('PYTHONPATH', '')]
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', str(Path(__file__).with_name('train_in_forks.py')),
         str(ROOT / 'tools/train.py'), json.dumps(runs)],
        env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(paths)),
        capture_output=True, text=True, timeout=600)
    ends = json.loads(done.stdout.splitlines()[-1])
    assert ends == [0, *[-9] * len(kills), 0], done.stderr[-3000:]

    for name in ('whole', 'killed'):
        assert [path.name for path in (folder / name).glob('*.pth')] == ['iter_9.pth']
    whole, killed = (
        load_checkpoint_safely(folder / name / 'iter_9.pth') for name in ('whole', 'killed'))
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        equal(whole[part], killed[part], part)
    assert len(log(folder / 'whole')) == 9
    assert log(folder / 'killed') == log(folder / 'whole')


SEGMENTATION = '''
_base_ = ['{root}/configs/_base_/default_runtime.py']
custom_imports = dict(imports=['killer'])
custom_hooks = [dict(type='Killer')]
model = dict(
    type='mmseg.EncoderDecoder',
    data_preprocessor=dict(type='mmseg.SegDataPreProcessor', size=(24, 24)),
    backbone=dict(type='mmseg.ResNet', depth=18, stem_channels=8, base_channels=8, num_stages=1,
                  out_indices=(0, ), strides=(1, ), dilations=(1, )),
    decode_head=dict(type='mmseg.FCNHead', in_channels=8, in_index=0, channels=8, num_convs=1,
                     num_classes=3, dropout_ratio=0.5,
                     loss_decode=dict(type='mmseg.CrossEntropyLoss')))
train_dataloader = dict(
    batch_size=2, num_workers={workers}, drop_last=True, sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        type='PseudoMaskDataset', data_root='{folder}', mask_dir='masks',
        metainfo=dict(classes=('a', 'b')), pipeline=[
            dict(type='LoadImageFromFile'), dict(type='LoadPseudoMask'),
            dict(type='mmseg.RandomResize', scale=(40, 32), ratio_range=(1., 1.5),
                 keep_ratio=True),
            dict(type='mmseg.RandomCrop', crop_size=(24, 24)),
            dict(type='mmseg.RandomFlip', prob=0.5), dict(type='mmseg.PhotoMetricDistortion'),
            dict(type='mmseg.PackSegInputs')]))
train_cfg = dict(type='WSSSTrainLoop', max_iters=9)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
param_scheduler = [dict(type='PolyLR', eta_min=0., power=0.9, end=9, by_epoch=False)]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=2, max_keep_ckpts=1), logger=dict(interval=1))
log_processor = dict(by_epoch=False)
'''


@pytest.mark.slow
@pytest.mark.parametrize('kills, workers', [
    ([dict(KILL_AT='3')], 0),  # one step after the first checkpoint
    ([dict(KILL_AT='5'), dict(KILL_AT_RENAME='4')], 2)])
def test_killed_segmentation_equals_never_killed(tmp_path, kills, workers):
    """mmseg's data sets, random transforms and dropout."""
    (tmp_path / 'killer.py').write_text(KILLER)
    rng = np.random.default_rng(0)
    for kind in ('JPEGImages', 'masks'):
        (tmp_path / kind).mkdir()
    for i in range(7):
        image = rng.integers(0, 256, (32, 40, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'JPEGImages/p{i}.jpg'), image)
        cv2.imwrite(str(tmp_path / f'masks/p{i}.png'), rng.integers(0, 3, (32, 40), np.uint8))
    config = tmp_path / 'segment.py'
    config.write_text(SEGMENTATION.format(root=ROOT, folder=tmp_path, workers=workers))
    whole = [str(config), '--work-dir', str(tmp_path / 'whole')]
    killed = [str(config), '--work-dir', str(tmp_path / 'killed'), '--resume']
    check(tmp_path, whole, killed, kills)
