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
    assert torch.equal(head.infer_cam(out), revised[:, 1:])

    revised.sum().backward(retain_graph=True)
    assert head.classifier.weight.grad is None and all(f.grad is None for f in feats)
    head.loss(out, torch.ones(2, 3))['loss_cls'].backward()
    assert head.classifier.weight.grad[0].abs().sum() == 0
    assert head.classifier.weight.grad[1:].abs().sum() > 0


def test_what_inference_gives():
    head = SEAMHead(3, (4, 6, 8), mid_channels=(2, 3), pcm_channels=5).eval()
    out = head([torch.randn(2, c, 4, 5) for c in (4, 6, 8)], image=torch.randn(2, 3, 32, 40))
    head.infer = 'softmax'
    assert torch.equal(head.infer_cam(out), out.scores.softmax(dim=1)[:, 1:])
    head.infer = 'cam'
    assert torch.equal(head.infer_cam(out), out.scores[:, 1:])
    with pytest.raises(ValueError, match="infer='both' must be"):
        SEAMHead(3, (4, 6, 8), infer='both')
