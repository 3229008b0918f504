"""A network of a few hundred weights for the module tests."""

import pytest
from mmengine.model import BaseModule
from torch import nn

from mmwsss.registry import MODELS


@MODELS.register_module(force=True)
class TinyStages(BaseModule):
    """Stages of stride 4, 8, 8, 8 without normalisation; counts the images that it sees."""

    def __init__(self, channels=(4, 6, 6, 8), out_indices=(3, )):
        super().__init__()
        self.stages = nn.ModuleList()
        for previous, width, stride in zip((3, *channels), channels, (4, 2, 1, 1)):
            kernel = dict(kernel_size=5, padding=2) if stride > 1 else dict(kernel_size=1)
            self.stages.append(nn.Conv2d(previous, width, stride=stride, **kernel))
        self.out_indices = tuple(out_indices)
        self.images = 0

    def forward(self, x):
        self.images += len(x)
        feats = []
        for stage in self.stages:
            x = stage(x).relu()
            feats.append(x)
        return tuple(feats[i] for i in self.out_indices)


@pytest.fixture
def tiny_backbone():
    """Config of the network."""
    return dict(type='TinyStages')


@pytest.fixture
def counted():
    """Number of images that a network has seen."""
    return lambda backbone: backbone.images


@pytest.fixture
def sample_of():
    """Turns a batch into its first image, as the data set gives it."""

    def first(inputs, samples):
        return dict(inputs=inputs, data_samples={name: rows[0] for name, rows in samples.items()})

    return first
