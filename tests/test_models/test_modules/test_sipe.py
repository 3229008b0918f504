"""SIPE: the loss against a plain loop, padding and labels, gradients."""

import numpy as np
import pytest
import torch

from mmwsss.inference import multi_scale_cam
from mmwsss.models import WSSSClassifier
from mmwsss.models.modules import sipe
from mmwsss.models.modules.sipe import general_specific_loss
from mmwsss.structures import WSSSDataSample

SIPE = dict(type='ImageSpecificPrototypes')
HEAD = dict(type='SIPEHead', num_classes=3, in_channels=(4, 6, 6, 8), side_channels=(3, 3, 4, 4))


def classifier(**options):
    torch.manual_seed(0)
    return WSSSClassifier(
        dict(type='TinyStages', out_indices=(0, 1, 2, 3)), HEAD, [dict(SIPE, **options)])


def batch(valid_box=None):
    generator = torch.Generator().manual_seed(1)
    inputs = dict(image=torch.randn(2, 3, 32, 32, generator=generator))
    samples = [WSSSDataSample(gt_label=torch.tensor(row)) for row in ([1., 0, 0], [0., 1, 1])]
    if valid_box:
        samples[0].set_metainfo(dict(valid_box=valid_box))
    return inputs, dict(image=samples)


def test_gsc_equals_a_plain_loop():
    rng = np.random.default_rng(0)
    general, specific = rng.random((2, 2, 4, 3, 5))
    total = 0.
    for n, c in np.ndindex(2, 4):
        total += abs(general[n, c] - specific[n, c] / (specific[n, c].max() + 1e-5)).sum()
    result = general_specific_loss(torch.tensor(general), torch.tensor(specific))
    assert result.item() == pytest.approx(total / general.size)


def cosine(a, b):
    return a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12)


def test_module_equals_the_whole_algorithm_in_loops(counted):
    model = classifier()
    inputs, samples = batch(valid_box=(0, 0, 16, 32))
    result = model(inputs, samples, mode='loss')['sipe.loss_gsc'].item()
    assert counted(model.backbone) == 2
    with torch.no_grad():
        output = model.extract(inputs['image'])
    cams, features = output.cam.double().numpy(), output.extra['hierarchical'].double().numpy()
    deepest, total = output.feats[-1].double().numpy(), 0.
    for n in range(2):
        label = np.concatenate([[1], samples['image'][n].gt_label.numpy()])
        shown = np.ones((4, 4))
        if n == 0:
            shown[2:] = 0
        cam = np.maximum(cams[n], 0)
        cam = cam / (cam.max((1, 2), keepdims=True) + 1e-5)
        cam = np.concatenate([1 - cam.max(0, keepdims=True), cam])
        valid = label[:, None, None] * shown
        cam = (cam * valid).reshape(4, 16)
        f = deepest[n].reshape(8, 16)
        h = features[n].reshape(-1, 16)
        seeds = np.zeros((4, 16))
        for i in range(16):
            row = np.array([max(cosine(f[:, i], f[:, j]), 0) for j in range(16)])
            inter = cam @ row
            likeness = inter / (row.sum() + cam.sum(1) - inter)
            likeness[0] *= 0.5
            best = likeness.argmax()
            seeds[best, i] = valid[best].ravel()[i]
        specific = np.zeros((4, 16))
        for c in range(4):
            prototype = sum(h[:, i] * seeds[c, i] for i in range(16))
            specific[c] = [max(cosine(prototype, h[:, i]), 0) for i in range(16)]
        specific /= specific.max(1, keepdims=True) + 1e-5
        total += abs(cam - specific).sum()
    assert result == pytest.approx(total / (2 * 4 * 16), rel=1e-3)


def test_gradient_reaches_the_cam_and_the_side_branches():
    model = classifier()
    model(*batch(), mode='loss')['sipe.loss_gsc'].backward()
    assert model.head.classifier.weight.grad.abs().sum() > 0
    assert all(side.weight.grad.abs().sum() > 0 for side in model.head.sides)


def test_another_head_is_refused(tiny_backbone):
    with pytest.raises(ValueError, match="needs the .*GAPHead.*head=dict.type='SIPEHead'"):
        WSSSClassifier(tiny_backbone, dict(type='GAPHead', num_classes=3, in_channels=8), [SIPE])


def test_prediction_has_a_background_of_its_own():
    model = classifier().eval()
    model.test_cfg = dict(scales=(1., 0.5), flip=True)
    inputs, samples = batch()
    samples['image'][0].set_metainfo(dict(ori_shape=(40, 24)))
    first, second = model.predict(inputs['image'], samples['image'])
    assert first.pred_cam.shape == (3, 40, 24) and first.pred_background.shape == (40, 24)
    assert second.pred_background.shape == (32, 32)
    cams, background = multi_scale_cam(
        model, inputs['image'], torch.tensor([[1., 0, 0], [0, 1, 1]]), background=True,
        **model.test_cfg)
    assert torch.equal(second.pred_cam, cams[1])
    assert torch.equal(second.pred_background, background[1, 0])
    model.head.infer = 'cam'
    sample = model.predict(inputs['image'], batch()[1]['image'])[0]
    assert 'pred_background' not in sample


def test_half_precision_prototypes_give_a_finite_loss(monkeypatch):
    """As under autocast, whose einsum is half; some class has no seed."""
    make = sipe.image_prototypes
    monkeypatch.setattr(sipe, 'image_prototypes', lambda *args: make(*args).half())
    model = classifier()
    loss = model(*batch(), mode='loss')['sipe.loss_gsc']
    loss.backward()
    assert torch.isfinite(loss) and all(
        torch.isfinite(side.weight.grad).all() for side in model.head.sides)
