"""One answer to "how does this config make CAMs", by every road."""

import importlib.util
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmwsss.apis import CAMInferencer
from mmwsss.apis import cam_inferencer as api
from mmwsss.engine.hooks import PseudoLabelHook
from mmwsss.engine.hooks import pseudo_label_hook as hook
from mmwsss.inference import cam_options, read_config
from mmwsss.inference.cam_options import INFERENCE
from mmwsss.models.classifiers import wsss_classifier
from mmwsss.pipeline import Context, Pipeline
from mmwsss.pipeline.stages import cam_stage as stage
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

ROOT = Path(__file__).parents[2]


def is_classifier(path):
    try:
        return 'WSSSClassifier' in Config.fromfile(path).get('model', {}).get('type', '')
    except FileNotFoundError:  # a config that reads files of a data set
        return False


def files():
    paths = [*(ROOT / 'configs').rglob('*.py'), *(ROOT / 'projects').glob('*/configs/*.py')]
    return sorted(path for path in paths if '_base_' not in path.parts)


class Part(nn.Module):
    """Stands for backbone, head or model of any config."""

    num_classes = 3
    predict_cam = None
    needs_image = False

    def __init__(self, num_classes=3):
        super().__init__()
        self.num_classes = num_classes


@pytest.fixture
def roads(monkeypatch, tmp_path):
    """Functions from a config file to the options that each road hands to the inference."""
    seen = {}
    monkeypatch.setattr(stage, 'load_model', lambda *args: None)
    monkeypatch.setattr(stage, 'generate_cams', lambda model, dataset, folder, overwrite, **options:
                        seen.update(options=options))
    monkeypatch.setattr(api, 'load_model', lambda cfg, *args: Part(cfg.model.head.num_classes))
    monkeypatch.setattr(hook, 'build_image_dataset', lambda cfg: None)
    monkeypatch.setattr(hook, 'Split', lambda dataset: None)
    monkeypatch.setattr(Context, 'images_of', lambda self, loader: None)
    monkeypatch.setattr(Context, 'images', None)
    spec = importlib.util.spec_from_file_location('make_cams', ROOT / 'tools' / 'make_cams.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def pipeline(file):
        one = Pipeline(file, tmp_path)
        one.stages['classify'].folder = tmp_path
        stage.make_cams(one.context, 'x.pth', tmp_path)
        return seen.pop('options')

    checkpoint = tmp_path / 'x.pth'
    checkpoint.write_bytes(b'weights')

    def by_tool(file):
        tool.run(Namespace(
            config=file, checkpoint=str(checkpoint), out=str(tmp_path), loader=None, scales=None,
            flip=None, stride=None, batch_size=None, num_workers=None, overwrite=True, score=False,
            work_dir=str(tmp_path), device=None, launcher='none', cfg_options={}))
        return seen.pop('options')

    def by_hook(file):
        one = PseudoLabelHook(dataset=dict(type='x'))
        one.before_train(SimpleNamespace(cfg=read_config(file)))
        return one.options

    def by_api(file):
        return CAMInferencer(file).options

    def validation(file):
        model = read_config(file).model
        with monkeypatch.context() as patch:
            patch.setattr(wsss_classifier.MODELS, 'build', lambda cfg, **kwargs: Part())
            patch.setattr(wsss_classifier.WSSSClassifier, '_check_modules', lambda self: None)
            def inference(model, images, labels, background=False, **options):
                seen.update(options=options)
                cams = torch.zeros(1, 3, 4, 4)
                return (cams, None) if background else cams

            patch.setattr(wsss_classifier, 'multi_scale_cam', inference)
            one = wsss_classifier.WSSSClassifier(
                backbone={}, head={}, test_cfg=model.get('test_cfg'), val_cam=model.get('val_cam'))
            one.predict_logits = lambda images: torch.zeros(1, 3)
            one.predict(torch.zeros(1, 3, 4, 4), [WSSSDataSample(gt_label=torch.ones(3))])
        return seen.pop('options')

    return dict(pipeline=pipeline, tool=by_tool, hook=by_hook, api=by_api, validation=validation)


def compare(file, roads):
    expected = cam_options(read_config(file))
    for name, road in roads.items():
        options = road(str(file))
        assert set(INFERENCE) <= set(options), name
        for key in INFERENCE:
            assert options[key] == expected[key], (file, name, key)


@pytest.mark.parametrize('file', [
    'configs/demo/ktse_shapes.py', 'configs/eader/eader_r101_voc.py', 'configs/seam/seam_r38_voc.py'
])
def test_every_road(file, roads, monkeypatch):
    monkeypatch.chdir(ROOT)
    compare(ROOT / file, roads)


@pytest.mark.slow
def test_every_classifier_config_by_every_road(roads, monkeypatch):
    monkeypatch.chdir(ROOT)
    checked = [file for file in files() if is_classifier(file)]
    assert len(checked) > 100
    for file in checked:
        compare(file, roads)


def config(**model):
    return Config(dict(model=dict(type='WSSSClassifier', **model)))


def test_precedence():
    cfg = config(test_cfg=dict(scales=[1.], norm='minmax', logits=True))
    assert cam_options(cfg)['scales'] == (1., ) and cam_options(cfg)['flip'] is True
    cfg.pipeline = dict(cam=dict(scales=(0.5, 1), stride=4))
    options = cam_options(cfg, flip=False, batch_size=None)
    assert options == dict(INFERENCE, scales=(0.5, 1), flip=False, norm='minmax', stride=4,
                           batch_size=1, num_workers=2)
    assert cam_options(config())['scales'] == (0.5, 1., 1.5, 2.)
    assert cam_options(config())['stride'] == 'auto'
    cfg.pipeline.cam.max_side = None
    assert cam_options(cfg)['max_side'] is None


def test_the_config_that_is_read_says_it_to_the_runner():
    cfg = config(test_cfg=dict(norm='minmax', logits=True))
    cfg.pipeline = dict(cam=dict(scales=(1., ), stride=2))
    read_config(cfg)
    assert cfg.model.test_cfg == dict(INFERENCE, scales=(1., ), norm='minmax', logits=True)
    other = Config(dict(model=dict(type='mmseg.EncoderDecoder', test_cfg=dict(mode='whole'))))
    assert read_config(other).model.test_cfg == dict(mode='whole')
    changed = read_config(config(), {'pipeline.cam': dict(flip=False)})
    assert changed.model.test_cfg.flip is False


@pytest.mark.parametrize(('block', 'message'), [
    (dict(scale=(1, )), r"pipeline.cam: no option \['scale'\]"),
    (dict(scales=(-1, )), r'scales=\(-1,\)'),
    (dict(scales=()), 'positive numbers'),
    (dict(scales=(float('nan'), )), 'positive numbers'),
    (dict(stride=0), 'stride=0'),
    (dict(stride='all'), "stride='all'.*or 'auto'"),
    (dict(max_side=0), 'max_side=0.*or None'),
    (dict(batch_size=1.5), 'batch_size=1.5'),
    (dict(batch_size=True), 'batch_size=True'),
    (dict(norm='mean'), "norm='mean'"),
    (dict(relu='none'), "needs norm='minmax'"),
    (dict(flip='no'), r"flip='no' of the CAMs must be one of \(True, False\)"),
])
def test_wrong_options(block, message):
    cfg = config()
    cfg.pipeline = dict(cam=block)
    with pytest.raises(ValueError, match=message):
        cam_options(cfg)


@pytest.mark.parametrize(('key', 'block', 'message'), [
    ('test_cfg', dict(scale=(1., )), r"model.test_cfg: no option \['scale'\]"),
    ('val_cam', dict(flipp=True), r"model.val_cam: no option \['flipp'\]"),
    ('val_cam', dict(norm='mimax'), "norm='mimax'"),
    ('val_cam', dict(scales=()), 'positive numbers')])
def test_wrong_options_of_the_model_are_found_when_it_is_read(key, block, message):
    with pytest.raises(ValueError, match=message):
        read_config(config(**{key: block}))


def test_validation_alone_may_be_cheaper():
    model = MODELS.build(dict(
        type='WSSSClassifier', backbone=dict(
            type='mmseg.ResNet', depth=18, num_stages=1, stem_channels=8, base_channels=8,
            strides=(1, ), dilations=(1, ), out_indices=(0, )),
        head=dict(type='GAPHead', num_classes=3, in_channels=8),
        test_cfg=dict(scales=(0.5, 1.), flip=False), val_cam=dict(scales=(1., )))).eval()
    calls = []
    forward = model.predict_cam
    model.predict_cam = lambda images: calls.append(tuple(images.shape[-2:])) or forward(images)
    data = dict(inputs={'image': [torch.zeros(3, 16, 16, dtype=torch.uint8)]},
                data_samples={'image': [WSSSDataSample(gt_label=torch.ones(3))]})
    with torch.no_grad():
        model.val_step(data)
        assert calls == [(16, 16)]
        calls.clear()
        model.test_step(data)
    assert calls == [(8, 8), (16, 16)]
