"""The command line of the pipeline: repetition over seeds, and mistakes."""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from mmwsss.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[2]

CONFIG = '''
default_scope = 'mmwsss'
model = dict(
    type='WSSSClassifier',
    backbone=dict(type='mmseg.ResNet', depth=18, num_stages=1, stem_channels=8, base_channels=8,
                  strides=(1, ), dilations=(1, ), out_indices=(0, )),
    head=dict(type='GAPHead', num_classes=6, in_channels=8))
data = dict(type='ShapesDataset', data_root='{root}', num_images=4, image_size=32)
pack = dict(type='PackWSSSInputs')
train_dataloader = dict(
    batch_size=2, num_workers=0, collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='EpochSampler'),
    dataset=dict(**data, pipeline=[dict(type='LoadImage'), pack]))
val_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**data, pipeline=[dict(type='LoadImage'), dict(type='LoadMask'), pack]))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='WSSSTrainLoop', max_epochs=1)
default_hooks = dict(checkpoint=dict(type='WSSSCheckpointHook', interval=1))
pipeline = dict(cam=dict(scales=(1., ), flip=False, num_workers=0),
                mask=dict(type='ThresholdMask', bg=0.3, num_workers=0))
'''


def call(config, *args):
    command = [sys.executable, '-W', 'ignore', 'tools/run_pipeline.py', str(config), *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'tiny.py'
    path.write_text(CONFIG.replace('{root}', str(tmp_path / 'shapes')))
    return path


@pytest.mark.slow
def test_repetition_over_seeds(config, tmp_path):
    args = ('--seeds', '0', '1', '--stages', 'classify', 'cam', 'mask', '--work-dir',
            str(tmp_path / 'w'), '--device', 'cpu')
    first = call(config, *args)
    assert first.returncode == 0, first.stderr
    assert '±' in first.stdout and 'seeds 0, 1' in first.stdout
    assert (tmp_path / 'w' / 'seed_1' / 'report' / 'index.html').is_file()
    again = call(config, *args)
    assert again.stdout.count('skipped') == 6


@pytest.mark.slow
@pytest.mark.parametrize('option, message', [
    ('pipeline.mask.bg=best', "pipeline.mask.bg='best'"),
    ('default_hooks.checkpoint.type=CheckpointHook', "use type='WSSSCheckpointHook'"),
])
def test_a_mistake_is_one_line(config, tmp_path, option, message):
    result = call(config, '--work-dir', str(tmp_path / 'w'), '--cfg-options', option)
    assert result.returncode == 2
    assert message in result.stderr and 'Traceback' not in result.stderr
    assert not (tmp_path / 'w').exists()


def test_supervised_is_a_stage_of_the_method_alone(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools')
    load_config = importlib.import_module('run_pipeline').load_config
    path = tmp_path / 'method.py'
    path.write_text("pipeline = dict(baseline='b.py', segment=dict(config='s.py'),\n"
                    "                stages=dict(metrics=None))")
    args = argparse.Namespace(
        config=str(path), cfg_options=None, no_baseline=False, supervised=True)
    options = load_config(args).pipeline
    assert options.stages == dict(
        metrics=None, supervised=dict(type='SegmentStage', ground_truth=True))
    assert options.baseline == dict(stages=dict(metrics=None), config='b.py')
    path.write_text("pipeline = dict(segment=None)")
    with pytest.raises(ValueError, match='--supervised trains the segmentation model'):
        load_config(args)
    args.config = str(ROOT / 'configs/demo/ktse_shapes.py')  # with a baseline
    pipeline = Pipeline(load_config(args), tmp_path / 'w')
    assert 'supervised' in pipeline.stages and 'supervised' in pipeline.wanted
    assert 'supervised' not in pipeline.baseline.stages
    assert pipeline.baseline.wanted >= {'classify', 'cam', 'mask', 'segment'}


def test_stages_that_only_the_method_has(config, tmp_path):
    pipeline = Pipeline(str(config), tmp_path / 'w', stages=['cam', 'mask'], options=dict(
        baseline=dict(config=str(config), stages=dict(mask=None))))
    assert pipeline.wanted == {'cam', 'mask'} and pipeline.baseline.wanted == {'cam'}


def test_seed_and_deterministic_are_apart(tmp_path, monkeypatch):
    """A seed of the command line leaves what the config says beside it."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    module = importlib.import_module('train')
    path = tmp_path / 'method.py'
    path.write_text("default_scope = 'mmwsss'\noptim_wrapper = dict()\n"
                    "randomness = dict(seed=1, deterministic=True)")

    def randomness(*options):
        monkeypatch.setattr('sys.argv', ['train.py', str(path), *options])
        return dict(module.load_config(module.parse_args()).randomness)

    assert randomness() == dict(seed=1, deterministic=True)
    assert randomness('--seed', '7') == dict(seed=7, deterministic=True)
    path.write_text("default_scope = 'mmwsss'\noptim_wrapper = dict()")
    assert randomness('--seed', '7') == dict(seed=7)
    assert randomness('--deterministic') == dict(deterministic=True)
