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


def public_inference(cam, hie):
    """SIPE's rule at one scale in loops: raw maps of image and mirror image, ``(2, ...)``."""
    cam = cam[0] + cam[1, :, :, ::-1]
    hie = hie[0] + hie[1, :, :, ::-1]
    height, width = cam.shape[1:]
    count = height * width
    cam = np.maximum(cam, 0)
    cam = np.stack([m / (m.max() + 1e-5) for m in cam])
    maps = np.concatenate([1 - cam.max(0, keepdims=True), cam]).reshape(len(cam) + 1, count)
    h = hie.reshape(len(hie), count)
    f = [unit(v, 1e-5) for v in h.T]
    seeds = np.zeros_like(maps)
    for i in range(count):
        similar = np.array([max(f[i] @ f[j], 0) for j in range(count)])
        likeness = []
        for k, m in enumerate(maps):
            inter = (similar * m).sum()
            union = similar.sum() + m.sum() - inter
            likeness.append(inter / union * (0.5 if k == 0 else 1))
        seeds[np.argmax(likeness), i] = 1
    result = np.zeros_like(maps)
    for k in range(len(maps)):
        prototype = unit(sum(seeds[k, i] * h[:, i] for i in range(count)))
        result[k] = [max(prototype @ unit(h[:, i]), 0) for i in range(count)]
    return result.reshape(len(maps), height, width)


def test_inference_sums_flips_before_seeds_and_scores_the_background():
    head, feats = head_and_feats()
    with torch.no_grad():
        out = head(feats)  # its second image stands for the mirror image of the first
        got = head.infer_scores(out, flip=True)
    cam, hie = out.cam.double().numpy(), out.extra['hierarchical'].double().numpy()
    assert head.own_background and got.shape == (1, 4, 4, 6)
    np.testing.assert_allclose(got[0], public_inference(cam, hie), atol=1e-4)
    apart = head.infer_cam(out).numpy()
    assert abs(got[0, 1:].numpy() - (apart[0] + apart[1, ..., ::-1]) / 2).max() > 0.01


def test_a_class_without_seeds_gives_no_nan_in_half_precision():
    """There the guard of the norm, 1e-8, is zero."""
    features, prototypes = torch.randn(1, 5, 3, 4).half(), torch.randn(1, 3, 5).half()
    prototypes[0, 1] = 0
    cam = image_specific_cam(features.requires_grad_(), prototypes)
    cam.sum().backward()
    assert torch.isfinite(cam).all() and (cam[0, 1] == 0).all() and (cam[0, 0] > 0).any()
    assert torch.isfinite(features.grad).all()
    want = image_specific_cam(features.detach().float(), prototypes.float())
    assert torch.allclose(cam.float(), want, atol=1e-2)


def test_half_precision_gives_no_nan():
    """Norms of half-precision features overflow."""
    head, feats = head_and_feats()
    with torch.no_grad():
        want = head(feats)
        for conv in head.sides:
            conv.register_forward_hook(lambda module, args, out: (out * 2000).half())
        out = head(feats)
        assert out.extra['hierarchical'].dtype == torch.float32
        assert torch.allclose(out.extra['hierarchical'], want.extra['hierarchical'], atol=2e-3)
        assert torch.isfinite(head.infer_scores(out, flip=True)).all()


def test_inference_from_the_classifier():
    head, feats = head_and_feats()
    head.infer = 'cam'
    out = head(feats)
    assert torch.equal(head.infer_cam(out), out.cam)
    with pytest.raises(ValueError, match="infer='both' must be 'prototype' or 'cam'"):
        SIPEHead(3, infer='both')
