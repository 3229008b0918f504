import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.models.heads import MCTHead
from mmwsss.models.heads.mct_head import fuse_attention, rank_pool

C, H, W, L = 3, 2, 4, 5


def fuse_by_loops(cam, attention, num_layers):
    """One image: cam (C, h, w), attention (L, C + hw, C + hw)."""
    fused = np.zeros((C, H * W))
    for c in range(C):
        for p in range(H * W):
            weight = sum(attention[layer, c, C + p] for layer in range(L - num_layers, L))
            fused[c, p] = weight * max(cam[c, p // W, p % W], 0)
    out = np.zeros((C, H, W))
    for c in range(C):
        for p in range(H * W):
            out[c, p // W, p % W] = sum(
                attention[layer, C + p, C + q] * fused[c, q]
                for layer in range(L) for q in range(H * W))
    return out


@pytest.mark.parametrize('num_layers', [1, 3, 5])
def test_fusion_matches_loops(num_layers):
    cam, attention = torch.randn(2, C, H, W), torch.rand(2, L, C + H * W, C + H * W)
    got = fuse_attention(cam, attention, num_layers)
    for n in range(2):
        want = fuse_by_loops(cam[n].double().numpy(), attention[n].double().numpy(), num_layers)
        np.testing.assert_allclose(got[n], want, rtol=1e-4)


def test_fusion_without_refinement():
    cam, attention = torch.randn(2, C, H, W), torch.rand(2, L, C + H * W, C + H * W)
    among = attention.clone()
    among[:, :, C:, C:] = torch.eye(H * W) / L  # patches that attend to themselves only
    torch.testing.assert_close(fuse_attention(cam, attention, 3, refine=False),
                               fuse_attention(cam, among, 3))


def feats(grad=False):
    return (torch.randn(2, 6, H, W, requires_grad=grad), torch.randn(2, C, 6, requires_grad=grad),
            torch.rand(2, L, C + H * W, C + H * W, requires_grad=grad))


def test_mct_head():
    head = MCTHead(C, 6, train_layers=5, infer_layers=2)
    x, tokens, attention = feats()
    out = head((x, tokens, attention))
    patch_cam = F.conv2d(x, head.patch.weight, head.patch.bias, padding=1)
    assert torch.allclose(out.extra['patch_cam'], patch_cam)
    assert torch.allclose(out.extra['patch_logits'], patch_cam.mean(dim=(2, 3)))
    assert torch.allclose(out.logits, tokens.mean(dim=-1))
    assert torch.allclose(out.cam, fuse_attention(patch_cam, attention, 5))
    assert torch.allclose(head.infer_cam(out), fuse_attention(patch_cam, attention, 2))
    parts = out.split([1, 1])
    assert torch.allclose(head.infer_cam(parts[1]), head.infer_cam(out)[1:])

    labels = (torch.rand(2, C) > 0.5).float()
    losses = head.loss(out, labels)
    assert torch.allclose(losses['loss_cls'], F.multilabel_soft_margin_loss(out.logits, labels))
    assert torch.allclose(
        losses['loss_patch'], F.multilabel_soft_margin_loss(out.extra['patch_logits'], labels))


@pytest.mark.parametrize('detach', [True, False])
def test_gradient_of_the_fused_cam(detach):
    head = MCTHead(C, 6, detach_patch=detach)
    x, tokens, attention = feats(grad=True)
    head((x, tokens, attention)).cam.sum().backward()
    assert attention.grad.abs().sum() > 0
    assert (head.patch.weight.grad is None) == detach


def test_wrong_number_of_class_tokens():
    with pytest.raises(ValueError, match='num_classes=4.*3 class tokens'):
        MCTHead(4, 6)(feats())


def test_rank_pool():
    maps = torch.tensor([[[[1., 4.], [3., 2.]]]])
    want = (4 + 0.5 * 3 + 0.25 * 2 + 0.125 * 1) / 1.875
    torch.testing.assert_close(rank_pool(maps, 0.5), torch.tensor([[want]]))
    torch.testing.assert_close(rank_pool(maps, 1), torch.tensor([[2.5]]))
    head = MCTHead(C, 6, decay=0.5)
    out = head(feats())
    assert torch.allclose(out.extra['patch_logits'], rank_pool(out.extra['patch_cam'], 0.5))
    with pytest.raises(ValueError, match=r'decay=1.5 must be in \(0, 1\]'):
        MCTHead(C, 6, decay=1.5)
