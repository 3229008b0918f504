"""tools/train.py runs no code that a checkpoint holds, by whatever road it comes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]

CONFIG = """
_base_ = ['{root}/configs/_base_/default_runtime.py']
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='EpochSampler'),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapesDataset', data_root='{folder}/shapes', num_images=4, image_size=32,
        pipeline=[dict(type='LoadImage'), dict(type='PackWSSSInputs')]))
model = dict(
    type='WSSSClassifier',
    backbone=dict(type='ResNet38d', width=(8, 8, 8, 8, 16, 16, 16), norm_eval=False,
                  frozen_stages=-1),
    head=dict(type='GAPHead', num_classes=6, in_channels=16))
train_cfg = dict(type='WSSSTrainLoop', max_epochs=2)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=-1))
randomness = dict(seed=0)
"""


@pytest.mark.slow
def test_hostile_checkpoints(tmp_path):
    config, canary = tmp_path / 'config.py', tmp_path / 'canary'
    config.write_text(CONFIG.format(root=ROOT, folder=tmp_path))

    def train(name, *options):
        return subprocess.run(
            [sys.executable, '-W', 'ignore', str(ROOT / 'tools/train.py'), str(config),
             '--work-dir', str(tmp_path / name), *options], capture_output=True, text=True,
            cwd=tmp_path, timeout=300, env=dict(
                os.environ, OMP_NUM_THREADS='1', MMWSSS_DEBUG='', PYTHONPATH=os.pathsep.join(
                    [str(ROOT), os.environ.get('PYTHONPATH', '')])))

    done = train('whole')
    assert done.returncode == 0, done.stderr[-3000:]
    checkpoint = torch.load(tmp_path / 'whole/epoch_1.pth', weights_only=True)
    checkpoint['meta']['config'] = f'import os\nos.mkdir({str(canary)!r})\n'
    checkpoint['meta']['cfg'] = checkpoint['meta']['config']
    (tmp_path / 'left').mkdir()
    for path in (tmp_path / 'evil.pth', tmp_path / 'left/epoch_1.pth'):
        torch.save(checkpoint, path)
    (tmp_path / 'left/last_checkpoint').write_text(str(tmp_path / 'left/epoch_1.pth'))

    whole = torch.load(tmp_path / 'whole/epoch_2.pth', weights_only=True)['state_dict']
    for name, options in dict(
            named=['--resume', str(tmp_path / 'evil.pth')], left=['--resume']).items():
        done = train(name, *options)
        assert done.returncode == 0, done.stderr[-3000:]
        assert not canary.exists()
        resumed = torch.load(tmp_path / name / 'epoch_2.pth', weights_only=True)['state_dict']
        assert all(value.equal(resumed[key]) for key, value in whole.items())

    (tmp_path / 'left/last_checkpoint').write_bytes(b'\xff\x00garbage')
    done = train('left', '--resume')
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert f'"{tmp_path}/left/last_checkpoint" is damaged' in done.stderr
