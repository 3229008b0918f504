import math

import numpy as np
import pytest
import torch

from mmwsss.models.heads import GAPHead
from mmwsss.registry import MODELS


def test_gap_head_matches_loops():
    head = MODELS.build(dict(type='GAPHead', num_classes=3, in_channels=5)).eval()
    x = torch.randn(2, 5, 4, 6)
    out = head((torch.zeros(2, 1, 8, 12), x))
    w = head.classifier.weight.detach().numpy()[:, :, 0, 0]
    cam = np.einsum('kc,nchw->nkhw', w, x.numpy())
    np.testing.assert_allclose(out.cam.detach(), cam, atol=1e-5)
    np.testing.assert_allclose(out.logits.detach(), cam.mean((2, 3)), atol=1e-5)
    assert out.bg is None and out.extra == {} and len(out.feats) == 2
    with pytest.raises(ValueError, match='background=True'):
        out.scores  # noqa: B018


def test_embedding_and_background():
    head = GAPHead(3, 5, embed_channels=7, background=True)
    x = torch.randn(2, 5, 4, 6)
    out = head((x, ))
    embedding = np.maximum(np.einsum(
        'dc,nchw->ndhw', head.embed.weight.detach().numpy()[:, :, 0, 0], x.numpy()), 0)
    np.testing.assert_allclose(out.extra['embedding'].detach(), embedding, atol=1e-5)
    scores = np.einsum(
        'kd,ndhw->nkhw', head.classifier.weight.detach().numpy()[:, :, 0, 0], embedding)
    np.testing.assert_allclose(out.bg.detach(), scores[:, :1], atol=1e-5)
    np.testing.assert_allclose(out.cam.detach(), scores[:, 1:], atol=1e-5)
    np.testing.assert_allclose(out.logits.detach(), scores[:, 1:].mean((2, 3)), atol=1e-5)
    assert head.embed.bias is None and head.classifier.bias is None
    for part, fan in ((head.embed, 5 + 7), (head.classifier, 7 + 4)):
        assert part.weight.abs().max() <= math.sqrt(6 / fan)


def test_loss_is_the_soft_margin_loss_too():
    head = GAPHead(3, 4)
    out = head((torch.randn(5, 4, 3, 3), ))
    labels = (torch.rand(5, 3) > 0.5).float()
    loss = head.loss(out, labels)
    assert list(loss) == ['loss_cls']
    want = 0.
    for n in range(5):
        for c in range(3):
            p = 1 / (1 + math.exp(-out.logits[n, c].item()))
            want -= math.log(p if labels[n, c] else 1 - p) / 15
    assert loss['loss_cls'].item() == pytest.approx(want, rel=1e-5)
    soft = torch.nn.functional.multilabel_soft_margin_loss(out.logits, labels)
    assert torch.allclose(loss['loss_cls'], soft)


def test_dropout_only_in_training():
    head = GAPHead(2, 64, drop=0.5)
    x = torch.ones(1, 64, 2, 2)
    assert not torch.equal(head((x, )).cam, head((x, )).cam)
    head.eval()
    assert torch.equal(head((x, )).cam, head((x, )).cam)
