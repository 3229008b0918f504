import numpy as np
import pytest
import torch

from mmwsss.models.heads import GatedPyramidPooling, GPPHead


def adaptive_pool(x, cells):
    """Average pooling with torch's adaptive cell borders, by loops."""
    c, h, w = x.shape
    out = np.zeros((c, cells, cells))
    for i in range(cells):
        for j in range(cells):
            top, bottom = i * h // cells, -(-(i + 1) * h // cells)
            left, right = j * w // cells, -(-(j + 1) * w // cells)
            out[:, i, j] = x[:, top:bottom, left:right].mean((1, 2))
    return out


def upsample(x, size):
    """Bilinear, align_corners=False, by loops."""
    c, h, w = x.shape
    out = np.zeros((c, *size))
    for i in range(size[0]):
        for j in range(size[1]):
            y = max((i + 0.5) * h / size[0] - 0.5, 0)
            z = max((j + 0.5) * w / size[1] - 0.5, 0)
            y0, z0 = int(y), int(z)
            y1, z1 = min(y0 + 1, h - 1), min(z0 + 1, w - 1)
            dy, dz = y - y0, z - z0
            out[:, i, j] = ((x[:, y0, z0] * (1 - dz) + x[:, y0, z1] * dz) * (1 - dy)
                            + (x[:, y1, z0] * (1 - dz) + x[:, y1, z1] * dz) * dy)
    return out


def conv3x3(x, weight):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((len(weight), *x.shape[1:]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            out[:, i, j] = (weight * padded[None, :, i:i + 3, j:j + 3]).sum((1, 2, 3))
    return out


def relu(x):
    return np.maximum(x, 0)


def gpp_by_loops(cam, weights):
    levels = [upsample(adaptive_pool(cam, s), cam.shape[1:]) for s in (2, 4, 8, 16)]
    a = levels[0]
    for level, (positive, negative) in zip(levels[1:], weights):
        g = 1 / (1 + np.exp(-conv3x3(np.concatenate([relu(a), relu(level)]), positive)))
        m = 1 / (1 + np.exp(-conv3x3(np.concatenate([relu(-a), relu(-level)]), negative)))
        a = ((relu(a) * g[0] + relu(level) * g[1]) / 2
             - (relu(-a) * m[0] + relu(-level) * m[1]) / 2)
    logits = (relu(cam) * relu(a)).mean((1, 2)) - (relu(-cam) * relu(-a)).mean((1, 2))
    return logits, a


@pytest.mark.parametrize('size', [(40, 40), (11, 19), (5, 3)])
def test_gpp_matches_loops(size):
    torch.manual_seed(0)
    gpp = GatedPyramidPooling(3)
    assert [tuple(g.positive.weight.shape) for g in gpp.gates] == [(2, 6, 3, 3)] * 3
    assert all(g.negative.bias is None for g in gpp.gates)
    cam = torch.randn(2, 3, *size) * 3
    logits, pooled = gpp(cam)
    weights = [(g.positive.weight.detach().double().numpy(),
                g.negative.weight.detach().double().numpy()) for g in gpp.gates]
    for n in range(2):
        want_logits, want_map = gpp_by_loops(cam[n].double().numpy(), weights)
        np.testing.assert_allclose(pooled[n].detach(), want_map, atol=1e-5)
        np.testing.assert_allclose(logits[n].detach(), want_logits, atol=1e-5)


def test_gpp_of_a_constant_map():
    """With zero weights every gate is 1/2, so each step halves the mean of its two inputs."""
    gpp = GatedPyramidPooling(1)
    for parameter in gpp.parameters():
        torch.nn.init.zeros_(parameter)
    for value in (2., -2.):
        logits, pooled = gpp(torch.full((1, 1, 8, 8), value))
        # a1 = (v/2 + v/2)/2 = v/2, a2 = (v/4 + v/2)/2 = 3v/8, g = (3v/16 + v/2)/2 = 11v/32
        assert torch.allclose(pooled, torch.full_like(pooled, value * 11 / 32))
        assert logits.item() == pytest.approx(np.sign(value) * 4 * 11 / 32)


def test_gpp_needs_two_levels():
    with pytest.raises(ValueError, match='scales'):
        GatedPyramidPooling(3, scales=(2, ))


def test_gpp_head():
    head = GPPHead(3, 5, background=True)
    out = head((torch.randn(2, 5, 6, 7), ))
    assert out.cam.shape == (2, 3, 6, 7) and out.bg.shape == (2, 1, 6, 7)
    assert out.scores.shape == (2, 4, 6, 7)
    assert out.extra['embedding'].shape == (2, 256, 6, 7)
    logits, pooled = head.gpp(out.cam)
    assert torch.equal(out.logits, logits) and torch.equal(out.extra['pooled_map'], pooled)
    # The background learns nothing from the classification loss.
    head.loss(out, torch.ones(2, 3))['loss_cls'].backward()
    assert head.classifier.weight.grad[0].abs().max() == 0
    assert head.classifier.weight.grad[1].abs().max() > 0
    assert GPPHead(3, 5)((torch.randn(2, 5, 6, 7), )).bg is None
