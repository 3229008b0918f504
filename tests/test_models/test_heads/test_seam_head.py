import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.models.heads import SEAMHead
from mmwsss.models.heads.seam_head import compete, mean_after_resize


def test_compete_matches_loops():
    cam = torch.randn(2, 3, 4, 5)
    cam[0, 1] = -1
    got = compete(cam).numpy()
    for n in range(2):
        r = np.maximum(cam[n].double().numpy(), 0)
        norm = np.stack([np.maximum(m - 1e-5, 0) / (m.max() + 1e-5) for m in r])
        for y in range(4):
            for x in range(5):
                best = norm[:, y, x].max()
                want = [1 - best] + [v if v == best else 0 for v in norm[:, y, x]]
                np.testing.assert_allclose(got[n, :, y, x], want, atol=1e-6)


def test_mean_after_resize_is_the_mean_of_the_resized():
    cam = torch.randn(2, 3, 7, 5)
    want = F.interpolate(cam, (50, 33), mode='bilinear', align_corners=True).mean(dim=(2, 3))
    assert torch.allclose(mean_after_resize(cam, (50, 33)), want, atol=1e-5)


def test_seam_head():
    head = SEAMHead(3, (4, 6, 8), mid_channels=(2, 3), pcm_channels=5).eval()
    image = torch.randn(2, 3, 32, 40)
    feats = [torch.randn(2, c, 4, 5, requires_grad=True) for c in (4, 6, 8)]
    assert head.needs_image
    out = head(feats, image=image)
    scores = F.conv2d(feats[2], head.classifier.weight)
    assert torch.equal(out.scores, scores)
    large = F.interpolate(scores[:, 1:], (32, 40), mode='bilinear', align_corners=True)
    assert torch.allclose(out.logits, large.mean(dim=(2, 3)), atol=1e-6)
    revised = out.extra['cam_rv']
    assert revised.shape == (2, 4, 4, 5)
    assert torch.equal(revised, head.pcm(image, feats[:2], compete(out.cam)))
    assert torch.equal(head.infer_cam(out, image), F.interpolate(
        revised[:, 1:], (32, 40), mode='bilinear', align_corners=True))
    assert torch.equal(out.extra['dropped'], feats[2])  # no dropout in evaluation

    revised.sum().backward(retain_graph=True)
    assert head.classifier.weight.grad is None and all(f.grad is None for f in feats)
    head.loss(out, torch.ones(2, 3))['loss_cls'].backward()
    assert head.classifier.weight.grad[0].abs().sum() == 0
    assert head.classifier.weight.grad[1:].abs().sum() > 0


def enlarged(maps, height, width):
    """Bilinear with aligned corners, pixel by pixel."""
    h, w = maps.shape[-2:]
    out = np.zeros((*maps.shape[:-2], height, width))
    for y in range(height):
        for x in range(width):
            v, u = y * (h - 1) / (height - 1), x * (w - 1) / (width - 1)
            i, j = min(int(v), h - 2), min(int(u), w - 2)
            a, b = v - i, u - j
            upper = (1 - b) * maps[..., i, j] + b * maps[..., i, j + 1]
            lower = (1 - b) * maps[..., i + 1, j] + b * maps[..., i + 1, j + 1]
            out[..., y, x] = (1 - a) * upper + a * lower
    return out


def test_what_inference_gives():
    """SEAM's network returns maps of the image's size, corners aligned; that with EPS does not."""
    head = SEAMHead(3, (4, 6, 8), mid_channels=(2, 3), pcm_channels=5).eval()
    image = torch.randn(2, 3, 32, 40)
    with torch.no_grad():
        out = head([torch.randn(2, c, 4, 5) for c in (4, 6, 8)], image=image)
    revised = out.extra['cam_rv'][:, 1:]
    np.testing.assert_allclose(
        head.infer_cam(out, image), enlarged(revised.double().numpy(), 32, 40), atol=1e-5)
    head.full_size = False
    assert torch.equal(head.infer_cam(out, image), revised)
    head.infer = 'softmax'
    assert torch.equal(head.infer_cam(out, image), out.scores.softmax(dim=1)[:, 1:])
    head.infer = 'cam'
    assert torch.equal(head.infer_cam(out, image), out.scores[:, 1:])
    with pytest.raises(ValueError, match="infer='both' must be"):
        SEAMHead(3, (4, 6, 8), infer='both')


@pytest.mark.parametrize('infer, training, times', [
    ('revised', False, 1), ('softmax', False, 0), ('cam', False, 0), ('softmax', True, 1)])
def test_pixels_are_correlated_where_that_is_used(infer, training, times):
    head = SEAMHead(3, (4, 6, 8), mid_channels=(2, 3), pcm_channels=5, infer=infer).train(training)
    calls = []
    head.pcm.register_forward_hook(lambda *args: calls.append(1))
    out = head([torch.randn(2, c, 4, 5) for c in (4, 6, 8)], image=torch.randn(2, 3, 32, 40))
    assert len(calls) == times == ('cam_rv' in out.extra)


def test_maps_as_they_are_have_their_own_mean_as_logits():
    head = SEAMHead(3, (4, 6, 8), mid_channels=(2, 3), pcm_channels=5, full_size=False).eval()
    out = head([torch.randn(2, c, 4, 5) for c in (4, 6, 8)], image=torch.randn(2, 3, 32, 40))
    assert torch.allclose(out.logits, out.cam.mean(dim=(2, 3)), atol=1e-6)
