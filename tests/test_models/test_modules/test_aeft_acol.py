from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmwsss.models.modules.aeft import (
    disjoint_partners,
    region_features,
    repulse_loss,
)


def minmax(cam):
    cam = np.maximum(cam, 0)
    return np.maximum(cam - cam.min() - 1e-5, 0) / (cam.max() - cam.min() + 1e-5)


def test_region_features():
    pooled, cam = torch.randn(2, 2, 3, 4, 4)
    labels = torch.tensor([[1.0, 0, 1], [0, 1, 1]])
    features = region_features(pooled, cam, labels, (0.2, 1.))
    for n in range(2):
        for c in range(3):
            value = pooled[n, c].numpy() / (np.abs(pooled[n, c].numpy()).max() + 1e-5)
            region = minmax(cam[n, c].numpy()) < 0.2
            for found, part in zip(features, (value[region], value)):
                expected = part.mean() * labels[n, c].item()
                assert found[n, c].item() == pytest.approx(expected, abs=1e-4)


def test_partners_line_up_with_their_anchors():
    labels = torch.tensor([[1.0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1]])
    seen = set()
    for _ in range(30):
        partner, valid = disjoint_partners(labels)
        assert valid.tolist() == [True, False, True, True]
        seen.add(tuple(partner[valid].tolist()))
    assert seen == {(2, 0, 2), (2, 3, 2)}


def test_partners_are_drawn_evenly():
    """In a batch where half of the images have one class and half another, none is the partner of
    all others."""
    labels = torch.eye(2).repeat(16, 1)
    torch.manual_seed(0)
    drawn = torch.stack([disjoint_partners(labels)[0] for _ in range(50)])
    for i in range(32):
        assert ((drawn[:, i] - i) % 2 == 1).all()
        assert len(drawn[:, i].unique()) > 8
    assert max(row.bincount().max() for row in drawn) < 10


def test_config_has_the_colour_jitter_of_the_code_and_classifies_8_images():
    cfg = Config.fromfile(Path(__file__).parents[3] / 'configs/aeft/aeft_r38_voc.py')
    jitter, = [t for t in cfg.train_dataloader.dataset.pipeline if t.type == 'ColorJitter']
    assert jitter == dict(
        type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8)
    assert cfg.model.cls_images == 8


def test_repulse_loss():
    anchor = torch.tensor([[0.0, 0], [1, 0], [0, 0.5], [0, 0]])
    negative = torch.zeros(4, 2)
    valid = torch.tensor([True, True, True, False])
    # squared distances 0, 1 (far enough), .25
    loss = repulse_loss(anchor, negative, valid, min_pairs=1)
    assert loss.item() == pytest.approx((0.5 + 0.25) / 2)
    assert repulse_loss(anchor, negative, valid, min_pairs=4).item() == 0
