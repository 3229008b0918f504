"""mmengine's wrappers around our data sets: epochs and the seed of the run reach what they wrap."""

from types import SimpleNamespace

import pytest
import torch

from mmwsss.datasets import EpochIndex
from mmwsss.engine.batches import Batches, _seeded

AUGMENT = [dict(type='LoadImage'), dict(type='RandomFlip'), dict(type='ColorJitter', brightness=.9),
           dict(type='RandomPadCrop', size=16), dict(type='PackWSSSInputs')]
WRAPPERS = {
    'none': lambda config: config,
    'repeat': lambda config: dict(type='RepeatDataset', dataset=config, times=2),
    'balanced': lambda config: dict(
        type='ClassBalancedDataset', dataset=config, oversample_thr=1.),
    'concat': lambda config: dict(type='ConcatDataset', datasets=[config, config]),
}


@pytest.fixture(params=WRAPPERS)
def dataset(request, config):
    augmented = dict(config, pipeline=AUGMENT, test_mode=False, views=[dict(
        type='PairedView', begin=1)])
    return _seeded(WRAPPERS[request.param](augmented))


def drawn(dataset, index, epoch):
    return dataset[EpochIndex(index, epoch)]['inputs']['image']


def share_seed(dataset, seed):
    Batches.share_seed(SimpleNamespace(loaders=[SimpleNamespace(sampler=None, dataset=dataset)]),
                       seed)


def test_each_epoch_and_each_seed_draws_anew(dataset):
    share_seed(dataset, 1)
    last = len(dataset) - 1  # of the last data set, and the last time
    for index in (0, last):
        images = [drawn(dataset, index, epoch) for epoch in range(5)]
        assert torch.equal(images[3], drawn(dataset, index, 3))  # and is repeatable
        assert not all(torch.equal(images[0], image) for image in images[1:])
        assert 'paired' not in dataset[EpochIndex(index, 0)]['inputs']
        assert 'paired' in dataset[EpochIndex(index, 1)]['inputs']
    before = drawn(dataset, last, 2)
    share_seed(dataset, 2)
    assert not torch.equal(before, drawn(dataset, last, 2))
    assert not torch.equal(images[2], drawn(dataset, last, 2))


def test_a_repeated_image_is_drawn_anew(config):
    dataset = _seeded(WRAPPERS['repeat'](dict(config, pipeline=AUGMENT, test_mode=False)))
    half = len(dataset) // 2
    pairs = [(drawn(dataset, i, 0), drawn(dataset, half + i, 0)) for i in range(half)]
    assert not all(torch.equal(*pair) for pair in pairs)
