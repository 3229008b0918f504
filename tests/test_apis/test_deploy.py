from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

import mmwsss.models  # noqa: F401
from mmwsss.apis.deploy import deployed, export_onnx, onnx_difference
from mmwsss.registry import MODELS

ROOT = Path(__file__).parents[2]
RESNET = dict(type='mmseg.ResNet', depth=18, num_stages=1, stem_channels=8, base_channels=8,
              strides=(1, ), dilations=(1, ), out_indices=(0, ))


def classifier(**options):
    torch.manual_seed(0)
    return MODELS.build(dict(
        type='WSSSClassifier', backbone=RESNET,
        head=dict(type='GAPHead', num_classes=3, in_channels=8), **options)).eval()


def seam():
    torch.manual_seed(0)
    return MODELS.build(dict(
        type='WSSSClassifier',
        backbone=dict(type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6)),
        head=dict(type='SEAMHead', num_classes=3, in_channels=(16, 32, 128),
                  mid_channels=(4, 4), pcm_channels=5))).eval()


def sipe():
    torch.manual_seed(0)
    stages = dict(RESNET, num_stages=4, strides=(1, 2, 2, 1), dilations=(1, ) * 4,
                  out_indices=(0, 1, 2, 3))
    return MODELS.build(dict(
        type='WSSSClassifier', backbone=stages,
        head=dict(type='SIPEHead', num_classes=3, in_channels=(8, 16, 32, 64),
                  side_channels=(3, ) * 4))).eval()


def segmentor():
    torch.manual_seed(0)
    return MODELS.build(
        Config.fromfile(ROOT / 'configs/deeplab/deeplabv2_small_shapes.py').model).eval()


@pytest.mark.parametrize('build', [classifier, seam, sipe])
def test_classifier_is_the_usual_prediction(build):
    model = build()
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)  # BGR
    usual = model.data_preprocessor(dict(inputs=dict(image=[torch.from_numpy(
        image.transpose(2, 0, 1).copy())])))['inputs']['image']
    rgb = torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy()).float()[None]
    with torch.no_grad():
        cam, logits = deployed(model)(rgb)
        torch.testing.assert_close(cam, model.predict_cam(usual))
        torch.testing.assert_close(logits, model.predict_logits(usual))


def test_a_network_trained_on_bgr_gets_bgr():
    rgb = torch.rand(1, 3, 24, 32) * 255
    model = classifier(data_preprocessor=dict(type='WSSSDataPreprocessor', bgr_to_rgb=False))
    assert (deployed(model).normalize(rgb)[0, 0] != deployed(classifier()).normalize(rgb)[0, 0]
            ).any()


def test_segmentor_is_the_usual_prediction():
    from mmseg.structures import SegDataSample
    model = segmentor()
    bgr = torch.randint(0, 256, (3, 40, 48), dtype=torch.uint8)
    sample = SegDataSample(metainfo=dict(ori_shape=(40, 48), img_shape=(40, 48)))
    usual = model.test_step(dict(inputs=[bgr], data_samples=[sample]))[0].seg_logits.data
    with torch.no_grad():
        logits, = deployed(model)(bgr.flip(0)[None].float())
    torch.testing.assert_close(logits[0], usual)


@pytest.mark.parametrize('build', [classifier, seam, segmentor])
def test_onnxruntime_agrees(build, tmp_path):
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    model, path = build(), tmp_path / 'a.onnx'
    model.train()
    export_onnx(model, path, (40, 56), ['cat', 'dog'])
    assert model.training  # it goes on as it was
    model.eval()
    for shape in ((2, 3, 40, 56), (1, 3, 40, 56), (3, 3, 33, 64)):
        found = onnx_difference(model, path, torch.rand(shape) * 255)
        assert set(found) == set(deployed(model).outputs)
        assert max(found.values()) < 1e-4
    meta = {item.key: item.value for item in onnx.load(path).metadata_props}
    assert meta['classes'] == '["cat", "dog"]'

    export_onnx(model, path, (40, 56), dynamic=False)
    assert max(onnx_difference(model, path, torch.rand(1, 3, 40, 56) * 255).values()) < 1e-4
    with pytest.raises(ValueError, match=r'cannot be run on images \(1, 3, 48, 56\)'):
        onnx_difference(model, path, torch.rand(1, 3, 48, 56))
    # The difference is one: other weights are seen.
    other = build()
    for parameter in other.parameters():
        parameter.data.mul_(1.5)
    assert max(onnx_difference(other, path, torch.rand(1, 3, 40, 56) * 255).values()) > 1e-2


def test_a_cam_by_gradients_is_refused():
    model = classifier(cam=dict(type='GradCAM'))
    with pytest.raises(ValueError, match='GradCAM makes its CAM by gradients'):
        deployed(model)
    with pytest.raises(ValueError, match='Linear is neither'):
        deployed(torch.nn.Linear(2, 2))
