"""What a sample shows beside its image, as a list of independent views."""

import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from mmwsss.registry import DATA_VIEWS


class DataView(ABC):
    """Adds entries to the ``inputs`` and ``data_samples`` of a sample.

    A child draws with :meth:`rng`, loads further images with :meth:`load` and gives its entries in
    :meth:`add`. All of it is a function of ``(seed, epoch, index, name)``, so views neither depend
    on each other nor on their order.

    Args:
        begin: First epoch with the view; samples of earlier epochs do not have it. The epoch is
            known from :class:`EpochSampler`.
        name: Its name; views of one data set have different ones.

    Raises:
        ValueError: ``begin`` is negative.
    """

    name = 'view'
    published = False
    """Draws without its name, as the published trainings did (with its default name only)."""

    def __init__(self, begin: int = 0, name: str | None = None):
        if begin < 0:
            raise ValueError(f'{type(self).__name__}: begin={begin} must not be negative')
        self.begin = begin
        default, self.name = self.name, name or self.name
        own = self.published and self.name == default
        self._words = () if own else (zlib.crc32(self.name.encode()), )

    def transforms(self, dataset) -> list[Callable]:
        """Transforms that :meth:`load` is given beside those of the data set's pipeline; the files
        that they read are checked when the data set is built."""
        return []

    def setup(self, dataset) -> None:
        """Called once, when the data set knows its images.

        Args:
            dataset: The :class:`ImageLabelDataset` that the view belongs to.
        """
        self.dataset = dataset

    def key(self, index: int, epoch: int, draw: int) -> tuple[int, ...]:
        """What the random numbers of a draw depend on, beside the seed of the data set.

        Args:
            index: Of the sample.
            epoch: Its epoch.
            draw: 1 and up, one for each independent draw of a sample.
        """
        return (epoch, int(index), *self._words, draw)

    def rng(self, index: int, epoch: int, draw: int = 1) -> np.random.Generator:
        """A generator of its own for each draw of each sample."""
        return np.random.default_rng([self.dataset.seed, *self.key(index, epoch, draw)])

    def load(self, image: int, index: int, epoch: int, draw: int,
             pipeline: Callable | None = None) -> dict:
        """Image number ``image`` through the data set's pipeline, or another one, augmented under
        the random numbers of a draw for sample ``index``."""
        return self.dataset.load(image, *self.key(index, epoch, draw), pipeline=pipeline)

    @abstractmethod
    def add(self, sample: dict, index: int, epoch: int) -> None:
        """Add to ``sample['inputs']`` and ``sample['data_samples']``; change no other entry."""

    def __call__(self, sample: dict, index: int, epoch: int) -> dict:
        """The sample with this view, from ``begin`` on."""
        if epoch >= self.begin:
            self.add(sample, index, epoch)
        return sample


def build_views(views: Sequence[dict | DataView]) -> list[DataView]:
    """Build the views of a data set.

    Raises:
        ValueError: Two have the same name.
    """
    views = [DATA_VIEWS.build(view) if isinstance(view, dict) else view for view in views]
    for name, count in Counter(view.name for view in views).items():
        if count > 1:
            raise ValueError(f'views: {count} views are named "{name}"; give one of them '
                             'another name=...')
    return views
