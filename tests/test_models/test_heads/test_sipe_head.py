import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.models.heads import SIPEHead
from mmwsss.models.heads.sipe_head import (
    cam_with_background,
    image_prototypes,
    image_specific_cam,
    structure_seeds,
)


def unit(v, eps=0.):
    norm = np.linalg.norm(v)
    return v / (norm + eps) if eps else (v / norm if norm else v)


def test_seeds_prototypes_and_cam_match_loops():
    torch.manual_seed(0)
    cam = cam_with_background(torch.randn(2, 3, 3, 4))
    valid = (torch.rand(2, 4, 3, 4) > 0.3).float()
    cam = cam * valid
    sem, hie = torch.randn(2, 5, 3, 4), torch.randn(2, 6, 3, 4)
    seeds = structure_seeds(cam, sem, valid)
    prototypes = image_prototypes(hie, seeds)
    is_cam = image_specific_cam(hie, prototypes)
    for n in range(2):
        m = cam[n].double().numpy().reshape(4, 12)
        f = [unit(v, 1e-5) for v in sem[n].double().numpy().reshape(5, 12).T]
        h = hie[n].double().numpy().reshape(6, 12)
        v = valid[n].numpy().reshape(4, 12)
        want = np.zeros((4, 12))
        for i in range(12):
            similar = np.array([max(f[i] @ f[j], 0) for j in range(12)])
            iou = []
            for k in range(4):
                inter = (similar * m[k]).sum()
                iou.append(inter / (similar.sum() + m[k].sum() - inter) * (0.5 if k == 0 else 1))
            k = int(np.argmax(iou))
            want[k, i] = v[k, i]
        np.testing.assert_array_equal(seeds[n].reshape(4, 12), want)
        for k in range(4):
            prototype = sum(want[k, i] * h[:, i] for i in range(12)) / 12
            np.testing.assert_allclose(prototypes[n, k], prototype, atol=1e-6)
            cosine = [max(unit(prototype) @ unit(h[:, i]), 0) for i in range(12)]
            np.testing.assert_allclose(is_cam[n, k].reshape(-1), cosine, atol=1e-5)


def test_cam_with_background():
    cam = torch.randn(2, 3, 4, 5)
    out = cam_with_background(cam)
    r = cam.clamp(min=0)
    r = r / (r.amax(dim=(2, 3), keepdim=True) + 1e-5)
    assert torch.allclose(out[:, 1:], r) and torch.allclose(out[:, 0], 1 - r.amax(dim=1))


def head_and_feats():
    torch.manual_seed(0)
    head = SIPEHead(3, (4, 5, 6, 7), (2, 3, 4, 5))
    feats = [torch.randn(2, c, s, s + 2, requires_grad=True)
             for c, s in ((4, 16), (5, 8), (6, 4), (7, 4))]
    feats = [f if i < 2 else torch.randn(2, c, 4, 6, requires_grad=True)
             for i, (f, c) in enumerate(zip(feats, (4, 5, 6, 7)))]
    return head, feats


def test_hierarchical_feature():
    head, feats = head_and_feats()
    out = head(feats)
    parts = []
    for conv, x in zip(head.sides, feats):
        side = F.conv2d(x, conv.weight)
        side = side / (side.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-5)
        parts.append(F.interpolate(side, (4, 6), mode='bilinear'))
    assert torch.allclose(out.extra['hierarchical'], torch.cat(parts, dim=1), atol=1e-6)
    out.extra['hierarchical'].sum().backward()
    assert all(f.grad is None for f in feats) and head.sides[0].weight.grad.abs().sum() > 0


def test_inference_needs_no_label():
    """The map of a class is the same whichever labels filter the seeds."""
    head, feats = head_and_feats()
    out = head(feats)
    got = head.infer_cam(out)
    assert got.shape == (2, 3, 4, 6)
    hie = out.extra['hierarchical']
    seeds = structure_seeds(cam_with_background(out.cam), hie)
    label = torch.tensor([[1., 0, 1, 0], [1, 1, 0, 0]])[..., None, None]
    filtered = image_specific_cam(hie, image_prototypes(hie, seeds * label))
    assert torch.allclose((got * label[:, 1:]), filtered[:, 1:])


def test_inference_from_the_classifier():
    head, feats = head_and_feats()
    head.infer = 'cam'
    out = head(feats)
    assert torch.equal(head.infer_cam(out), out.cam)
    with pytest.raises(ValueError, match="infer='both' must be 'prototype' or 'cam'"):
        SIPEHead(3, infer='both')
