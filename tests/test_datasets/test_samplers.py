import pickle
import random

import numpy as np
import pytest
import torch

from mmwsss.datasets import EpochIndex, EpochSampler, sample_rng


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
def test_ranks_share_the_pictures(monkeypatch, round_up):
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
