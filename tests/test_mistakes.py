"""Each mistake of a new user is one clear line; each has a control that is right and passes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from torch import nn

from mmwsss.datasets import PseudoMaskDataset
from mmwsss.engine.checks import check_begins, check_classes, check_frozen
from mmwsss.inference import read_config
from mmwsss.models import WSSSClassifier
from mmwsss.registry import DATASETS, MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.structures.artifacts import write_class_names, write_mask
from mmwsss.utils import register_all_modules
from mmwsss.utils.cli import merge_options
from mmwsss.utils.errors import explain

ROOT = Path(__file__).parents[1]
NET = dict(type='mmseg.ResNet', depth=18, num_stages=3, stem_channels=8, base_channels=8,
           strides=(1, 2, 1), dilations=(1, 1, 1), out_indices=(2, ), norm_eval=False)
HEAD = dict(type='GAPHead', num_classes=3, in_channels=32)
SIE = dict(type='SimulatedInterImageErasing')
MGA = dict(type='MultiGranularityAlignment')


@pytest.fixture(autouse=True)
def scope():
    register_all_modules()


# -- options without effect ------------------------------------------------------------------------
def test_a_variable_of_the_file_has_no_effect(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text("classes = ('cat', 'dog')\nmetainfo = dict(classes=classes)\n"
                    "train_dataloader = dict(dataset=dict(metainfo=metainfo))\nseed = 3\n")
    with pytest.raises(ValueError, match='"classes" is a variable.*no effect.*'
                                         'train_dataloader.dataset.metainfo.classes'):
        merge_options(Config.fromfile(path), {'classes': ('cat', )})
    with pytest.raises(ValueError, match='"metainfo" is a variable'):
        merge_options(Config.fromfile(path), {'metainfo.classes': ('cat', )})
    path.write_text("data = dict(data_root='a', img_dir='b')\nown = dict(data_root='c', x='d')\n"
                    "train_dataloader = dict(dataset=dict(**data, ann_file='t.txt'))\n")
    with pytest.raises(ValueError, match='"data" is a variable.*train_dataloader.dataset'):
        merge_options(Config.fromfile(path), {'data.data_root': 'c'})
    cfg = merge_options(Config.fromfile(path), {'own.x': 'e'})  # of code of one's own
    assert cfg.own.x == 'e'


def test_the_place_where_a_variable_is_used_has_an_effect(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text("classes = ('cat', 'dog')\n"
                    "train_dataloader = dict(dataset=dict(metainfo=dict(classes=classes)))\n")
    key = 'train_dataloader.dataset.metainfo.classes'
    cfg = merge_options(Config.fromfile(path), {key: ('cat', )})
    assert cfg.train_dataloader.dataset.metainfo.classes == ('cat', )


def test_options_of_the_demo_still_pass():
    cfg = read_config(ROOT / 'configs/demo/ktse_shapes.py', {
        'train_cfg.max_epochs': 20, 'model.head.num_classes': 3, 'pipeline.mask.bg': 0.2,
        'visualizer.vis_backends': [dict(type='TensorboardVisBackend')], 'work_dir': 'x'})
    assert cfg.train_cfg.max_epochs == 20 and cfg.pipeline.mask.bg == 0.2


# -- modules that never begin ----------------------------------------------------------------------
def test_a_training_that_ends_before_its_modules_begin():
    model = WSSSClassifier(NET, dict(HEAD, background=True, embed_channels=8),
                           [dict(SIE, begin=10), dict(MGA, begin=8)])
    with pytest.raises(ValueError, match='ends after 5 epochs.*Erasing begin=10.*begin=8.*'
                                         'train_cfg.max_epochs'):
        check_begins(model, 5)
    late = check_begins(model, 10)  # one of them acts
    assert [type(m).__name__ for m in late] == ['SimulatedInterImageErasing']
    assert check_begins(model, 11) == [] == check_begins(WSSSClassifier(NET, HEAD), 1)
    sample = dict(inputs=dict(image=torch.zeros(3, 32, 32, dtype=torch.uint8)),
                  data_samples=dict(image=WSSSDataSample(gt_label=torch.ones(HEAD['num_classes']))))
    with pytest.raises(KeyError, match='needs the view "paired"'):
        model.check_sample(sample)
    model.check_sample(sample, [model.wsss_modules[0]])


# -- classes ---------------------------------------------------------------------------------------
class _Data:

    def __init__(self, *classes):
        self.metainfo = dict(classes=classes)


def test_a_head_of_another_class_count():
    model = WSSSClassifier(NET, HEAD)
    check_classes(model, _Data('a', 'b', 'c'))
    with pytest.raises(ValueError, match=r'model.head.num_classes=3.*2 classes.*num_classes=2'):
        check_classes(model, _Data('a', 'b'))
    segmentor = nn.Module()
    segmentor.decode_head = nn.Module()
    segmentor.decode_head.num_classes = 4
    check_classes(segmentor, _Data('background', 'a', 'b', 'c'))
    with pytest.raises(ValueError, match='model.decode_head.num_classes=4'):
        check_classes(segmentor, _Data('background', 'a', 'b'))


@pytest.mark.parametrize('inside', [True, False])
def test_left_over_mask_classes(tmp_path, inside):
    images, masks = tmp_path / 'images', tmp_path / 'masks'
    images.mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(images / 'a.jpg')
    names = ('background', 'cat', 'dog')
    write_mask(masks / 'a.png', np.ones((8, 8), np.uint8), classes=names if inside else ())
    if not inside:
        write_class_names(masks, names)
    options = dict(img_dir=str(images), mask_dir=str(masks), pipeline=[])
    assert len(PseudoMaskDataset(metainfo=dict(classes=('cat', 'dog')), **options)) == 1
    subset = PseudoMaskDataset(metainfo=dict(classes=('dog', )), mask_classes=('cat', 'dog'),
                               **options)
    assert len(subset) == 1
    with pytest.raises(ValueError, match=r"made for the classes \['cat', 'dog'\]"):
        PseudoMaskDataset(metainfo=dict(classes=('cat', 'dog')),
                          mask_classes='VOCImageLabelDataset', **options)


# -- random frozen parts ---------------------------------------------------------------------------
@pytest.mark.parametrize('wrong, named', [
    (dict(frozen_stages=1), 'frozen_stages=1 keep.*model.backbone.frozen_stages=-1'),
    (dict(norm_eval=True), 'norm_eval=True keep.*model.backbone.norm_eval=False'),
    (dict(norm_eval=True, frozen_stages=0), 'frozen_stages=0, norm_eval=True')])
def test_frozen_random_parts(wrong, named, tmp_path):
    check_frozen(WSSSClassifier(NET, HEAD))
    model = WSSSClassifier(dict(NET, **wrong), HEAD)
    with pytest.raises(ValueError, match=f'trained from scratch, but {named}'):
        check_frozen(model)
    check_frozen(model, loaded=True)
    path = str(tmp_path / 'w.pth')
    torch.save(MODELS.build(NET).state_dict(), path)
    init = dict(type='Pretrained', checkpoint=path)
    check_frozen(WSSSClassifier(dict(NET, **wrong, init_cfg=init), HEAD))


# -- files -----------------------------------------------------------------------------------------
def test_a_syntax_error_in_a_config(tmp_path):
    path = tmp_path / 'bad.py'
    path.write_text('a = 1\nmodel = dict(type=\n')
    with pytest.raises(SyntaxError) as caught:
        read_config(path)
    message = explain(caught.value)
    assert message.startswith('config "') and 'line 2' in message
    path.write_text('a = 1\n')
    assert read_config(path).a == 1


@pytest.mark.slow
def test_tools_end_with_one_line(tmp_path):
    bad = tmp_path / 'bad.py'
    bad.write_text('model = dict(\n')
    for command in (['tools/dataset_converters/voc.py', '--voc', str(tmp_path / 'nope.tar')],
                    ['tools/train.py', str(bad)]):
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
        lines = [x for x in done.stderr.splitlines() if 'Warning' not in x and x.strip()]
        assert done.returncode == 2 and 'Traceback' not in done.stderr
        assert any(x.startswith('error: ') and str(tmp_path) in x for x in lines)


# -- curves ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('kind, package', [('TensorboardVisBackend', 'tensorboard'),
                                           ('WandbVisBackend', 'wandb')])
def test_curves_of_other_programs(kind, package, tmp_path, monkeypatch):
    """The recipe ``--cfg-options visualizer.vis_backends=...`` writes files of the real package."""
    pytest.importorskip(package)
    monkeypatch.setenv('WANDB_MODE', 'offline')
    options = {'visualizer.vis_backends': [dict(type='LocalVisBackend'), dict(type=kind)],
               'model.backbone.base_channels': 8, 'model.backbone.stem_channels': 8,
               'model.head.in_channels': 32, 'train_cfg.max_epochs': 1, 'work_dir': str(tmp_path),
               'default_hooks.logger.interval': 1, 'train_dataloader.num_workers': 0,
               'train_dataloader.persistent_workers': False}
    cfg = read_config(ROOT / 'configs/demo/cam_shapes.py', options)
    data = dict(cfg.train_dataloader.dataset, data_root=str(tmp_path / 'shapes'), num_images=16)
    cfg.train_dataloader.dataset = data
    for part in ('dataloader', 'cfg', 'evaluator'):
        cfg[f'val_{part}'] = cfg[f'test_{part}'] = None
    cfg.experiment_name = cfg.visualizer.name = f'curves_{package}'
    Runner.from_cfg(cfg).train()
    wanted = dict(tensorboard='events.out.tfevents*', wandb='*.wandb')[package]
    files = [path for path in tmp_path.rglob(wanted) if path.stat().st_size > 100]
    assert files
    if package == 'tensorboard':
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        events = EventAccumulator(str(files[0].parent))
        events.Reload()
        assert 'loss' in events.Tags()['scalars'] and len(events.Scalars('loss')) == 1


@pytest.mark.parametrize(('pipeline', 'message'), [
    ([dict(type='LoadImage')], 'must end with PackWSSSInputs'),
    ([dict(type='RandomFlip'), dict(type='LoadImage'), dict(type='PackWSSSInputs')],
     "a step of the pipeline lacks 'img', which a step before it must make")])
def test_steps_of_the_pipeline_that_do_not_fit(tmp_path, pipeline, message):
    data = dict(type='ShapesDataset', data_root=str(tmp_path), num_images=2, image_size=32)
    model = MODELS.build(dict(type='WSSSClassifier', backbone=NET, head=dict(HEAD, num_classes=6)))
    right = DATASETS.build(dict(data, pipeline=[dict(type='LoadImage'),
                                                dict(type='PackWSSSInputs')]))
    model.check_sample(right[0])
    with pytest.raises((KeyError, ValueError)) as found:
        model.check_sample(DATASETS.build(dict(data, pipeline=pipeline))[0])
    assert message in explain(found.value)
