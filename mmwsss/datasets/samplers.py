"""Order and randomness as functions of (seed, epoch, index): a run can be cut and resumed."""

import math
import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Dataset, Sampler

from mmwsss.registry import DATA_SAMPLERS

# Epoch and index of what a SeededDataset is drawing: mmengine's wrappers (RepeatDataset,
# ConcatDataset, ClassBalancedDataset) hand on plain indices.
DRAWN: ContextVar[tuple[int, int]] = ContextVar('drawn', default=(0, 0))


class EpochIndex(int):
    """The index of a sample that knows the epoch it is drawn in; an ordinary int otherwise."""

    def __new__(cls, index: int, epoch: int = 0):
        self = super().__new__(cls, index)
        self.epoch = epoch
        return self

    def __reduce__(self):
        return EpochIndex, (int(self), self.epoch)


@contextmanager
def sample_rng(seed: int, *key: int) -> Iterator[None]:
    """Seed ``random``, ``np.random`` and torch's CPU generator from ``(seed, *key)``, and put their
    states back afterwards.

    Args:
        seed: Seed of the data set.
        key: Non-negative numbers, by convention ``epoch, index`` and, where one sample needs
            several independent draws, the number of the draw (0 is the same as none).
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = np.random.SeedSequence([seed, *key]).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    # Not torch.manual_seed, which would also seed the devices.
    torch.default_generator.manual_seed(int(words[2]))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler):
    """A permutation per epoch, sharded over ranks, that yields :class:`EpochIndex`.

    Args:
        dataset: Anything with a length.
        shuffle: A new permutation each epoch, from ``seed + epoch``; else the order of the list.
        seed: Must be the same on all ranks; None agrees on one.
        round_up: Repeat the first samples so that all ranks get equally many.
    """

    def __init__(self,
                 dataset: Sized,
                 shuffle: bool = True,
                 seed: int | None = None,
                 round_up: bool = True):
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.round_up = round_up
        self.epoch = 0
        self._start = 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch of the next iteration."""
        self.epoch = epoch

    def set_start(self, start: int) -> None:
        """Skip this rank's first ``start`` samples in the next iteration only."""
        self._start = start

    def __len__(self) -> int:
        """Samples of this rank in a whole epoch."""
        if self.round_up:
            return math.ceil(len(self.dataset) / self.world_size)
        return math.ceil((len(self.dataset) - self.rank) / self.world_size)

    def order(self, epoch: int) -> list[int]:
        """All indices in the order of an epoch, those of the other ranks included."""
        size = len(self.dataset)
        if not self.shuffle:
            return list(range(size))
        generator = torch.Generator().manual_seed(self.seed + epoch)
        return torch.randperm(size, generator=generator).tolist()

    def __iter__(self) -> Iterator[EpochIndex]:
        indices = self.order(self.epoch)
        if self.round_up:
            total = len(self) * self.world_size
            indices = (indices * math.ceil(total / max(len(indices), 1)))[:total]
        indices = indices[self.rank::self.world_size]
        start, self._start = self._start, 0
        return (EpochIndex(index, self.epoch) for index in indices[start:])


@DATA_SAMPLERS.register_module()
class EndlessSampler(EpochSampler):
    """The permutations of :class:`EpochSampler` one after the other without end, dealt out to the
    ranks, for training by iterations: a batch may lie across epochs, and a data set may be smaller
    than a batch. Its length is that of an epoch.

    Args:
        dataset: Anything with a length, at least 1.
        shuffle, seed: As in :class:`EpochSampler`.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None):
        super().__init__(dataset, shuffle, seed)
        if not len(dataset):
            raise ValueError('the training set is empty')

    def __iter__(self) -> Iterator[EpochIndex]:
        position, self._start = self.rank + self._start * self.world_size, 0
        epoch, indices = -1, []
        while True:
            if position // len(self.dataset) != epoch:
                epoch = position // len(self.dataset)
                indices = self.order(epoch)
            yield EpochIndex(indices[position % len(self.dataset)], epoch)
            position += self.world_size


class SeededDataset(Dataset):
    """A data set each of whose samples is drawn under random numbers of ``(seed, epoch, index)``.

    For data sets whose transforms draw from the global generators, as mmseg's, and for mmengine's
    wrappers: a sample then depends neither on workers nor on what was drawn before. All else is
    that of the data set.

    Args:
        dataset: Any data set with a length.
        seed: Of the samples; the training loop sets it to that of the run.
    """

    def __init__(self, dataset: Dataset, seed: int = 0):
        self.dataset = dataset
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        drawn = getattr(index, 'epoch', 0), int(index)
        token = DRAWN.set(drawn)
        try:
            with sample_rng(self.seed, *drawn):
                return self.dataset[index]
        finally:
            DRAWN.reset(token)

    def __getattr__(self, name: str) -> Any:
        if name in ('dataset', 'seed'):  # not there yet, while a copy is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)
