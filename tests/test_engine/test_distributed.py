"""tools/dist_train.sh with two CPU processes equals one process with the doubled batch."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmwsss.utils import load_checkpoint_safely

ROOT = Path(__file__).parents[2]

CONFIG = '''
_base_ = ['{root}/configs/_base_/default_runtime.py']
train_dataloader = dict(
    batch_size=4, num_workers=0, drop_last=True,
    sampler=dict(type='EpochSampler'), collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapesDataset', data_root='{folder}/shapes', num_images=10, image_size=40,
        pipeline=[
            dict(type='LoadImage'), dict(type='ResizeLong', long=(32, 48)),
            dict(type='RandomFlip', prob=0.5), dict(type='RandomPadCrop', size=32),
            dict(type='PackWSSSInputs')]))
# The loader of the test is the training set in order.
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapesDataset', data_root='{folder}/shapes', num_images=10, image_size=40,
        test_mode=True,
        pipeline=[dict(type='LoadImage'), dict(type='LoadMask'), dict(type='PackWSSSInputs')]))
test_evaluator = dict(type='SeedMetric', thresholds=(0, 0.6, 0.1))
test_cfg = dict(type='TestLoop')
# What differs between processes by design is off: dropout, batch statistics.
model = dict(
    type='WSSSClassifier',
    backbone=dict(type='ResNet38d', width=(8, 8, 8, 8, 16, 16, 16), drop_rates=(0., 0.),
                  frozen_stages=-1),
    head=dict(type='GPPHead', num_classes=6, in_channels=16, embed_channels=8, background=True),
    modules=[
        dict(type='SelfSupervisedRegularization', refiner=None),
        dict(type='MultiGranularityAlignment')])
train_cfg = dict(type='WSSSTrainLoop', max_epochs=3)
optim_wrapper = dict(
    constructor='WSSSOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.002, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(new_layers=('head', )))
param_scheduler = [dict(type='MaxStepPolyLR', end=3, by_epoch=True, convert_to_iter_based=True)]
default_hooks = dict(logger=dict(interval=1))
'''


@pytest.fixture(autouse=True)
def frozen_and_random(monkeypatch):
    """These networks have frozen norms and no weights, on purpose."""
    monkeypatch.setenv('MMWSSS_ALLOW_FROZEN', '1')


def run(*command, folder):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True, timeout=600,
        env=dict(os.environ, OMP_NUM_THREADS='1', PORT=str(port), PYTHON=sys.executable,
                 PYTHONPATH=str(ROOT), CUDA_VISIBLE_DEVICES='-1', PYTHONWARNINGS='ignore'))
    return done


def losses(folder):
    lines = [json.loads(line) for path in folder.glob('*/vis_data/scalars.json')
             for line in path.read_text().splitlines()]
    return [{key: value for key, value in line.items() if 'loss' in key or key == 'lr'}
            for line in lines]


@pytest.mark.slow
def test_two_processes_equal_one_with_the_doubled_batch(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(root=ROOT, folder=tmp_path))
    one = run(sys.executable, ROOT / 'tools/train.py', config, '--work-dir', tmp_path / 'one',
              folder=tmp_path)
    assert one.returncode == 0, one.stderr[-3000:]
    two = run(ROOT / 'tools/dist_train.sh', config, 2, '--work-dir', tmp_path / 'two',
              '--cfg-options', 'train_dataloader.batch_size=2', folder=tmp_path)
    assert two.returncode == 0, two.stderr[-3000:]
    single, double = losses(tmp_path / 'one'), losses(tmp_path / 'two')
    assert len(single) == 6 and {'loss_cls', 'ssr.loss_intra', 'mga.loss_global'} < set(single[0])
    for mine, yours in zip(single, double):
        assert mine == pytest.approx(yours, abs=1e-5)
    a, b = (load_checkpoint_safely(tmp_path / name / 'epoch_3.pth')['state_dict']
            for name in ('one', 'two'))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-5, msg=name)

    # Scores do not depend on the number of processes either.
    checkpoint = tmp_path / 'one/epoch_3.pth'
    alone = run(sys.executable, ROOT / 'tools/test.py', config, checkpoint, '--work-dir',
                tmp_path / 'test', '--out', tmp_path / 'alone.json', folder=tmp_path)
    assert alone.returncode == 0, alone.stderr[-3000:]
    both = run(ROOT / 'tools/dist_test.sh', config, checkpoint, 2, '--work-dir', tmp_path / 'test',
               '--out', tmp_path / 'both.json', folder=tmp_path)
    assert both.returncode == 0, both.stderr[-3000:]
    scores = [json.loads((tmp_path / name).read_text()) for name in ('alone.json', 'both.json')]
    assert scores[0] == pytest.approx(scores[1]) and 'seed/mIoU@oracle' in scores[0]


STEADY = '''
from mmwsss.models.modules import WSSSModule
from mmwsss.registry import MODELS


@MODELS.register_module()
class Steady(WSSSModule):
    """A network in training answers as it does by its running statistics."""

    def loss(self, views):
        judged = views('image', 'frozen', grad=False).logits
        return dict(loss_steady=(views['image'].logits - judged).square().mean())
'''


@pytest.mark.slow
def test_two_processes_resumed_equal_two_never_stopped(tmp_path):
    """With batch statistics of each process, which a loss depends on, and in the middle of an
    accumulation of gradients."""
    config = tmp_path / 'config.py'
    (tmp_path / 'steady.py').write_text(STEADY)
    config.write_text(CONFIG.format(root=ROOT, folder=tmp_path) + (
        "custom_imports = dict(imports=['steady'])\nmodel['modules'] = [dict(type='Steady')]\n"))
    options = ['--cfg-options', 'train_dataloader.batch_size=2', 'model.backbone.norm_eval=False',
               'optim_wrapper.accumulative_counts=3',
               'default_hooks.checkpoint.max_keep_ckpts=3']
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    done = run(ROOT / 'tools/dist_train.sh', config, 2, '--work-dir', whole, *options,
               folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    resumed.mkdir()
    shutil.copy(whole / 'epoch_1.pth', resumed)  # two steps of the first three are done
    (resumed / 'last_checkpoint').write_text(str(resumed / 'epoch_1.pth'))
    done = run(ROOT / 'tools/dist_train.sh', config, 2, '--resume', '--work-dir', resumed, *options,
               folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(losses(whole)) == 6 and len(losses(resumed)) == 4
    for mine, yours in zip(losses(whole)[2:], losses(resumed)):
        assert mine == pytest.approx(yours, abs=1e-6)
    a, b = (load_checkpoint_safely(folder / 'epoch_3.pth')['state_dict']
            for folder in (whole, resumed))
    moved = [name for name in a if name.endswith('running_mean') and a[name].abs().sum() > 0]
    assert len(moved) > 10
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.slow
def test_amp_on_a_cpu_and_bad_keys(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(root=ROOT, folder=tmp_path))
    done = run(sys.executable, ROOT / 'tools/train.py', config, '--amp', '--seed', 3, '--work-dir',
               tmp_path / 'amp', '--cfg-options', 'train_cfg.max_epochs=1', folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert all(line['loss'] == line['loss'] for line in losses(tmp_path / 'amp'))
    assert load_checkpoint_safely(tmp_path / 'amp/epoch_1.pth')['meta']['seed'] == 3

    done = run(sys.executable, ROOT / 'tools/train.py', config, '--work-dir', tmp_path / 'bad',
               '--cfg-options', 'model.head.num_clases=3', folder=tmp_path)
    assert done.returncode == 2
    assert 'error: GPPHead has no option "num_clases"; did you mean num_classes?' in done.stderr
    assert 'Traceback' not in done.stderr

    done = run(sys.executable, ROOT / 'tools/train.py', config, '--work-dir', tmp_path / 'bad',
               '--cfg-options', 'default_hooks.checkpoint.type=CheckpointHook', folder=tmp_path)
    assert done.returncode == 2 and "use type='WSSSCheckpointHook'" in done.stderr
    assert not (tmp_path / 'bad/last_checkpoint').exists()
