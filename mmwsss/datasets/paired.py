"""Pairs of images that share a class."""

from typing import Union

import numpy as np
from torch.utils.data import Dataset

from mmwsss.registry import DATASETS

from .image_labels import ImageLabelDataset

# Numbers of the draws beside the ordinary one (0) of a sample.
CHOICE, SECOND, THIRD = 1, 2, 3


class _Wrapper(Dataset):
    """What mmengine asks of a data set, passed on."""

    def __init__(self, dataset: Union[dict, ImageLabelDataset]):
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.dataset.full_init()

    @property
    def metainfo(self) -> dict:
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Done when built."""

    def __len__(self) -> int:
        return len(self.dataset)

    def get_data_info(self, idx: int) -> dict:
        return self.dataset.get_data_info(idx)

    def label_matrix(self) -> np.ndarray:
        return self.dataset.label_matrix()


@DATASETS.register_module()
class PairedDataset(_Wrapper):
    """Beside each image, another one that shares a class with it (KTSE).

    The class is drawn uniformly from those of the image, then the image uniformly from those
    that have the class (it may be the same one); both are augmented independently. All of it is a
    function of ``(seed, epoch, index)``.

    A sample has the views ``image`` and ``paired`` in ``inputs`` and ``data_samples``.

    Args:
        dataset: The :class:`ImageLabelDataset`, or its config.
        begin: First epoch with pairs; before it, samples have the view ``image`` only (KTSE: 10).
            The epoch is known from :class:`EpochSampler`.
    """

    def __init__(self, dataset: Union[dict, ImageLabelDataset], begin: int = 0):
        super().__init__(dataset)
        self.begin = begin
        labels = self.dataset.label_matrix()
        self._of_class = [np.flatnonzero(column) for column in labels.T]
        self._classes = [np.flatnonzero(row) for row in labels]

    def partner(self, idx: int, epoch: int = 0) -> int:
        """Index of the image paired with ``idx``."""
        rng = np.random.default_rng([self.dataset.seed, epoch, int(idx), CHOICE])
        return int(rng.choice(self._of_class[rng.choice(self._classes[idx])]))

    def __getitem__(self, idx: int) -> dict:
        epoch, index = getattr(idx, 'epoch', 0), int(idx) % len(self)
        anchor = self.dataset[idx]
        if epoch < self.begin:
            return anchor
        paired = self.dataset.load(self.partner(index, epoch), epoch, index, SECOND)
        return {
            key: {**anchor[key], 'paired': paired[key]['image']}
            for key in ('inputs', 'data_samples')
        }
