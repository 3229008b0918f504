"""The batches of a training as a function of the seed and the iteration."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from mmengine.dist import broadcast_object_list
from mmengine.registry import DATASETS
from torch.utils.data import DataLoader, Dataset

from mmwsss.datasets.samplers import EndlessSampler, SeededDataset


class Batches:
    """Loaders of a training, one for each batch size, and the place of each iteration in them.

    A data set that does not seed its samples by itself (mmseg's, mmpretrain's) is put into a
    :class:`SeededDataset`, and mmengine's ``InfiniteSampler`` is replaced by
    :class:`EndlessSampler`, so that with them, too, a resumed run sees the same samples.

    Args:
        runner: Builds the loaders.
        dataloader: Config of the data loader (or a loader, if ``batch_size`` is not given).
        batch_size: ``[(epoch, batch size per rank), ...]``; None is that of ``dataloader``.

    Raises:
        ValueError: The schedule is wrong, or an epoch has no batch.
    """

    def __init__(self, runner, dataloader: DataLoader | dict,
                 batch_size: Sequence[tuple[int, int]] | None = None):
        self._stream: Iterator | None = None
        if not isinstance(dataloader, dict):
            if batch_size:
                raise ValueError(
                    'train_cfg.batch_size needs train_dataloader as a config, not a built loader')
            self.loaders, self.milestones = [dataloader], [0]
            return
        schedule = [(int(epoch), int(size)) for epoch, size in batch_size or ()]
        schedule = schedule or [(0, dataloader['batch_size'])]
        self.milestones = [epoch for epoch, _ in schedule]
        if self.milestones[0] != 0 or self.milestones != sorted(set(self.milestones)):
            raise ValueError(
                f'train_cfg.batch_size={batch_size}: epochs must begin at 0 and rise')
        cfg = {**dataloader, 'dataset': _seeded(dataloader['dataset'])}
        sampler = cfg.get('sampler')
        if isinstance(sampler, dict) and _name(sampler.get('type')) == 'InfiniteSampler':
            cfg['sampler'] = {**sampler, 'type': EndlessSampler}
        self.loaders = []
        for _, size in schedule:
            cfg['batch_size'] = size
            self.loaders.append(runner.build_dataloader(dict(cfg), seed=runner.seed))
            # The data set and its order are the same at every batch size.
            cfg.update(dataset=self.loaders[0].dataset, sampler=self.loaders[0].sampler)
        if self._endless and len(schedule) > 1:
            raise ValueError("train_cfg.batch_size changes at an epoch: use sampler=dict("
                             "type='EpochSampler'), since an endless one knows no epochs")
        for (_, size), loader in zip(schedule, self.loaders):
            if not self._endless and len(loader) == 0:
                raise ValueError(
                    f'the training set has {len(loader.dataset)} images, fewer than one '
                    f'batch of {size}; lower the batch size or set drop_last=False')

    @property
    def _endless(self) -> bool:
        return isinstance(self.loaders[0].sampler, EndlessSampler)

    def loader(self, epoch: int) -> DataLoader:
        """The loader of an epoch."""
        index = max(i for i, milestone in enumerate(self.milestones) if milestone <= epoch)
        return self.loaders[index]

    def length(self, epoch: int) -> int:
        """Iterations of an epoch; a small data set in an endless order has one."""
        return max(len(self.loader(epoch)), 1)

    def first_iter(self, epoch: int) -> int:
        """Iterations before an epoch."""
        ends = self.milestones[1:] + [epoch]
        return sum(max(min(end, epoch) - begin, 0) * self.length(begin)
                   for begin, end in zip(self.milestones, ends))

    def locate(self, iteration: int) -> tuple[int, int]:
        """Epoch of an iteration and its place in it."""
        for milestone in reversed(self.milestones):
            done = iteration - self.first_iter(milestone)
            if done >= 0:
                return (milestone + done // self.length(milestone),
                        done % self.length(milestone))
        raise AssertionError('iterations begin at 0')

    def share_seed(self, seed: int) -> None:
        """Give order and augmentation the run's seed, which a resumed run takes from its file: that
        of rank 0, since all ranks share out one order."""
        common = [seed]
        broadcast_object_list(common)
        seed = common[0]
        for loader in self.loaders:
            holders = [loader.sampler, loader.dataset]
            while holders:
                holder = holders.pop()
                if hasattr(holder, 'seed'):
                    holder.seed = seed
                holders += ([holder.dataset] if hasattr(holder, 'dataset')  # wrappers
                            else getattr(holder, 'datasets', []))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[int, Any]]:
        """``(place in the epoch, batch)`` of an epoch from its step ``start`` on."""
        loader = self.loader(epoch)
        if self._endless:  # one pass through all epochs: the workers are started once
            if self._stream is None:
                loader.sampler.set_start(
                    (self.first_iter(epoch) + start) * loader.batch_size)
                self._stream = iter(loader)
            return enumerate(islice(self._stream, self.length(epoch) - start), start)
        sampler = loader.sampler
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(epoch)
        if start:
            if not hasattr(sampler, 'set_start'):
                raise ValueError(
                    f'{type(sampler).__name__} cannot go on inside an epoch; use '
                    "sampler=dict(type='EpochSampler') to resume from this checkpoint")
            sampler.set_start(start * loader.batch_size)
        return enumerate(loader, start)

    def close(self) -> None:
        """Let the workers of an endless order go."""
        self._stream = None


def _name(kind: Any) -> str:
    return getattr(kind, '__name__', str(kind)).split('.')[-1]


def _seeded(dataset: Dataset | dict) -> Dataset:
    """The data set, built, in a :class:`SeededDataset` unless it seeds its samples by itself."""
    if isinstance(dataset, dict):
        dataset = DATASETS.build(dataset)
    return dataset if hasattr(dataset, 'seed') else SeededDataset(dataset)
