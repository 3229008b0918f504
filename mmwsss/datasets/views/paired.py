"""Pairs of images that share a class."""

import numpy as np

from mmwsss.registry import DATA_VIEWS

from .base import DataView

# Numbers of the draws beside the ordinary one of a sample.
CHOICE, SECOND = 1, 2


@DATA_VIEWS.register_module()
class PairedView(DataView):
    """Beside each image, another one that shares a class with it (KTSE).

    The class is drawn uniformly from those of the image, then the image uniformly from those
    that have the class (it may be the same one); both are augmented independently. An image of no
    class is paired with another of none.

    Adds ``paired`` (or ``name``) to ``inputs`` and ``data_samples``.

    Args:
        begin: First epoch with pairs (KTSE: 10).
        name: Of the view.
    """

    name = 'paired'
    published = True

    def setup(self, dataset) -> None:
        super().setup(dataset)
        labels = dataset.label_matrix()
        self._of_class = [np.flatnonzero(column) for column in labels.T]
        self._classes = [np.flatnonzero(row) for row in labels]
        self._negatives = np.flatnonzero(~labels.any(1))

    def partner(self, index: int, epoch: int = 0) -> int:
        """Index of the image paired with image ``index``."""
        rng, classes = self.rng(index, epoch, CHOICE), self._classes[index]
        return int(rng.choice(
            self._of_class[rng.choice(classes)] if len(classes) else self._negatives))

    def add(self, sample: dict, index: int, epoch: int) -> None:
        paired = self.load(self.partner(index, epoch), index, epoch, SECOND)
        for key in ('inputs', 'data_samples'):
            sample[key][self.name] = paired[key]['image']
