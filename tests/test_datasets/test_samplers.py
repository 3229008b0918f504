import pickle
import random
from itertools import islice

import numpy as np
import pytest
import torch

from mmwsss.datasets import (
    EndlessSampler,
    EpochIndex,
    EpochSampler,
    SeededDataset,
    sample_rng,
    samplers,
)


def test_epoch_index_is_an_int_and_pickles():
    index = pickle.loads(pickle.dumps(EpochIndex(7, 3)))
    assert index == 7 and index.epoch == 3 and [10, 11, 12, 13, 14, 15, 16, 17][index] == 17


def test_sample_rng_depends_on_its_key_alone_and_restores():

    def draw(*key):
        with sample_rng(*key):
            return random.random(), np.random.rand(), torch.rand(1).item()

    first = draw(0, 1, 2)
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert draw(0, 1, 2) == first
    assert before == (random.getstate(), np.random.get_state()[1].tolist(),
                      torch.get_rng_state().tolist())
    for other in ((1, 1, 2), (0, 2, 2), (0, 1, 3), (0, 1, 2, 1)):
        assert not set(draw(*other)) & set(first)
    with pytest.raises(KeyError), sample_rng(0, 1):
        raise KeyError
    assert before[0] == random.getstate()


def test_sampler_shuffles_by_epoch():
    sampler = EpochSampler(range(11), seed=4)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        indices = list(sampler)
        assert all(i.epoch == epoch for i in indices)
        assert sorted(indices) == list(range(11)) and len(sampler) == 11
        orders.append(indices)
    assert orders[0] == orders[2] != orders[1]
    assert list(EpochSampler(range(4), shuffle=False, seed=0)) == [0, 1, 2, 3]


def test_set_start_skips_once():
    sampler = EpochSampler(range(9), seed=0)
    whole = list(sampler)
    sampler.set_start(4)
    assert list(sampler) == whole[4:]
    assert list(sampler) == whole


@pytest.mark.parametrize('round_up', [True, False])
def test_ranks_share_the_images(monkeypatch, round_up):
    shards = []
    for rank in range(3):
        monkeypatch.setattr('mmwsss.datasets.samplers.get_dist_info', lambda rank=rank: (rank, 3))
        sampler = EpochSampler(range(10), seed=1, round_up=round_up)
        shards.append(list(sampler))
        assert len(shards[-1]) == len(sampler)
    monkeypatch.setattr('mmwsss.datasets.samplers.get_dist_info', lambda: (0, 1))
    whole = list(EpochSampler(range(10), seed=1))
    expected = whole + whole[:2] if round_up else whole
    # Global batches of 3 are the same images as in one process.
    for rank in range(3):
        assert shards[rank] == expected[rank::3]


@pytest.mark.parametrize('world', [1, 2])
def test_endless_order(monkeypatch, world):
    """The ranks deal the permutations of all epochs out among them, from any place on."""
    ranks = []
    for rank in range(world):
        monkeypatch.setattr(samplers, 'get_dist_info', lambda: (rank, world))  # noqa: B023
        ranks.append(EndlessSampler(range(5), seed=3))
    streams = [list(islice(iter(sampler), 30)) for sampler in ranks]
    together = [index for step in zip(*streams) for index in step]
    for epoch in range(5):
        part = together[5 * epoch:5 * epoch + 5]
        permutation = torch.randperm(5, generator=torch.Generator().manual_seed(3 + epoch))
        assert part == permutation.tolist() and {index.epoch for index in part} == {epoch}
    for start in (1, 7, 13):
        for sampler, stream in zip(ranks, streams):
            sampler.set_start(start)
            again = list(islice(iter(sampler), 10))
            assert again == stream[start:start + 10]
            assert [i.epoch for i in again] == [i.epoch for i in stream[start:start + 10]]
            assert list(islice(iter(sampler), 4)) == stream[:4]  # only once


def test_endless_order_without_shuffling_or_images():
    assert list(islice(iter(EndlessSampler(range(3), shuffle=False)), 7)) == [0, 1, 2, 0, 1, 2, 0]
    with pytest.raises(ValueError, match='empty'):
        EndlessSampler([])


class Draws(list):
    metainfo = dict(classes=('a', ))

    def __getitem__(self, index):
        return int(index), random.random(), np.random.rand(), torch.rand(1).item()


def test_seeded_dataset():
    dataset = SeededDataset(Draws(range(3)), seed=1)
    first = dataset[EpochIndex(2, 1)]
    random.random(), np.random.rand(), torch.rand(1)
    assert pickle.loads(pickle.dumps(dataset))[EpochIndex(2, 1)] == first
    assert dataset[EpochIndex(2, 0)] == dataset[2] != first != dataset[EpochIndex(1, 1)]
    dataset.seed = 2
    assert dataset[EpochIndex(2, 1)] != first
    assert len(dataset) == 3 and dataset.metainfo == Draws.metainfo
    assert not hasattr(dataset, 'nothing')
