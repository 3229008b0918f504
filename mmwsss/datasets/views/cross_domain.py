"""Single-label images pasted into multi-label ones (CSD)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from mmengine.dataset import Compose
from torch import Tensor

from mmwsss.registry import DATA_VIEWS, TRANSFORMS
from mmwsss.structures import WSSSDataSample

from ..cooccurrence import cooccurrence_matrix, pairing_distribution
from ..transforms import LoadImage, LoadMask, StrongView
from .base import DataView

# Numbers of the draws beside the ordinary one of a sample.
CHOICE, SECOND, THIRD = 1, 2, 3


def _shown(sample: WSSSDataSample) -> Tensor:
    """Bool ``(H, W)``: where a crop shows the image and not padding."""
    shown = torch.ones(sample.prior_mask.shape, dtype=torch.bool)
    if 'valid_box' in sample:
        top, left, height, width = sample.valid_box
        shown[:] = False
        shown[top:top + height, left:left + width] = True
    return shown


def copy_paste(image: Tensor, target: Tensor, where: Tensor) -> Tensor:
    """``image`` where ``where`` ``(H, W)`` is true, ``target`` elsewhere; all ``(3, H, W)``."""
    return torch.where(where, image, target)


def _reads_prior(transform) -> bool:
    return getattr(transform, 'path_field', None) == LoadMask.PATHS['prior_mask']


@DATA_VIEWS.register_module()
class CrossDomainView(DataView):
    """Beside each image, a single-label source, a multi-label target, and the two mixed (CSD).

    The target is drawn uniformly from the images with several classes; the class of the source by
    how often it comes together with those of the target, the source uniformly among the images
    that have this class alone. The data set needs ``prior_dir``, masks of a base model as the
    stage ``prior`` of the pipeline makes them.

    Adds to ``inputs`` and ``data_samples`` (all of the size of the mix pipeline's crop):

    - ``source``: ``prior_mask`` is reduced to its one class (other classes are background).
    - ``target``: with its ``prior_mask``.
    - ``fg_mix``: the target with the source's foreground at the same place; the labels of both.
    - ``bg_mix``: the target with the source's background where both are background; the target's
      labels.

    The mixed samples have ``paste_mask`` bool ``(H, W)``, true on pixels of the source.

    Args:
        mix_pipeline: Transforms of source and target; needs ``LoadMask(key='prior_mask')`` and a
            crop to one size. None is the data set's own pipeline with that transform after
            ``LoadImage`` (and without ``StrongView``, of which nothing would be used).
        pairing: ``paper`` (Eq. 1, row sums), ``paper-alone`` (its diagonal counts the images with
            the class alone), ``prototype`` (softmax of 0.1 N), or ``uniform`` over
            all single-label images.
        target: ``multi``, or ``all`` images as in the prototype.
        begin: First epoch with the further views.
        name: Of the view, for its random numbers.

    Raises:
        ValueError: No single-label image, no multi-label image, or no prior masks.
        FileNotFoundError: A prior mask is missing.
    """

    name = 'cross_domain'
    published = True

    def __init__(self,
                 mix_pipeline: Sequence[dict | Callable] | None = None,
                 pairing: str = 'paper',
                 target: str = 'multi',
                 begin: int = 0,
                 name: str | None = None):
        super().__init__(begin, name)
        if pairing not in ('paper', 'paper-alone', 'prototype', 'uniform'):
            raise ValueError(f"CrossDomainView: pairing={pairing!r} must be 'paper', "
                             "'paper-alone', 'prototype' or 'uniform'")
        if target not in ('multi', 'all'):
            raise ValueError(f"CrossDomainView: target={target!r} must be 'multi' or 'all'")
        self.mix_pipeline = None if mix_pipeline is None else [
            TRANSFORMS.build(t) if isinstance(t, dict) else t for t in mix_pipeline]
        if self.mix_pipeline is not None and not any(map(_reads_prior, self.mix_pipeline)):
            raise ValueError("CrossDomainView: mix_pipeline must read the prior masks; add "
                             "dict(type='LoadMask', key='prior_mask') after LoadImage")
        self.pairing = pairing
        self.target = target

    def transforms(self, dataset) -> list[Callable]:
        """Those of source and target."""
        if self.mix_pipeline is not None:
            return self.mix_pipeline
        own = [t for t in dataset.pipeline.transforms if not isinstance(t, StrongView)]
        if not any(map(_reads_prior, own)):
            start = next((i for i, t in enumerate(own, 1) if isinstance(t, LoadImage)), None)
            if start is None:
                raise ValueError('CrossDomainView: the pipeline of the data set has no LoadImage; '
                                 'give mix_pipeline=[...]')
            own.insert(start, LoadMask(key='prior_mask'))
        return own

    def setup(self, dataset) -> None:
        super().setup(dataset)
        self._mixed = Compose(self.transforms(dataset))
        labels = torch.from_numpy(dataset.label_matrix())
        count = labels.sum(1)
        self._single = [torch.nonzero((count == 1) & column.bool())[:, 0].numpy()
                        for column in labels.T]
        self._has_single = np.array([len(indices) > 0 for indices in self._single])
        if not self._has_single.any():
            raise ValueError('CrossDomainView: no image has exactly one class, so there is no '
                             'source; use more classes or images')
        pool = count > 1 if self.target == 'multi' else count > 0
        self._targets = torch.nonzero(pool)[:, 0].numpy()
        if not len(self._targets):
            raise ValueError('CrossDomainView: no image has several classes, so there is no '
                             "target; use other images, or target='all'")
        self.sources = self._source_distribution(labels)

    def _source_distribution(self, labels: Tensor) -> np.ndarray:
        """Per image as target, the probability ``(N, C)`` of each class as the source."""
        if self.pairing == 'uniform':
            sizes = np.array([len(indices) for indices in self._single], np.float64)
            return np.broadcast_to(sizes / sizes.sum(), labels.shape)
        matrix = cooccurrence_matrix(labels, self.pairing)
        chances = pairing_distribution(matrix, labels, self.pairing).double().numpy()
        chances = chances * self._has_single
        # Where no companion has an image of its own, any class that has.
        chances[chances.sum(1) == 0] = self._has_single
        return chances / chances.sum(1, keepdims=True)

    def pair(self, index: int, epoch: int = 0) -> tuple[int, int]:
        """Indices ``(source, target)`` that go with sample ``index``."""
        rng = self.rng(index, epoch, CHOICE)
        target = int(rng.choice(self._targets))
        label = rng.choice(self.sources.shape[1], p=self.sources[target])
        return int(rng.choice(self._single[label])), target

    def add(self, sample: dict, index: int, epoch: int) -> None:
        images = dict(zip(('source', 'target'), self.pair(index, epoch)))
        for (name, image), draw in zip(images.items(), (SECOND, THIRD)):
            loaded = self.load(image, index, epoch, draw, self._mixed)
            for key in ('inputs', 'data_samples'):
                sample[key][name] = loaded[key]['image']
        self._mix(sample['inputs'], sample['data_samples'])

    @staticmethod
    def _mix(views: dict[str, Tensor], samples: dict[str, WSSSDataSample]) -> None:
        source, target = samples['source'], samples['target']
        if views['source'].shape != views['target'].shape:
            raise ValueError(
                f'CrossDomainView: source {tuple(views["source"].shape)} and target '
                f'{tuple(views["target"].shape)} differ in size; crop them, e.g. by '
                "dict(type='RandomPadCrop', size=224) in mix_pipeline")
        prior = source.prior_mask
        own = int(source.gt_label.argmax()) + 1
        source.prior_mask = torch.where((prior == own) | (prior == 255), prior,
                                        torch.zeros_like(prior))
        both = _shown(source) & _shown(target)
        where = dict(
            fg_mix=(source.prior_mask == own) & both,
            bg_mix=(source.prior_mask == 0) & (target.prior_mask == 0) & both)
        for name, mask in where.items():
            views[name] = copy_paste(views['source'], views['target'], mask)
            mixed = WSSSDataSample(metainfo=target.metainfo, paste_mask=mask)
            mixed.gt_label = target.gt_label.clone()
            if name == 'fg_mix':
                mixed.gt_label = torch.maximum(mixed.gt_label, source.gt_label)
            samples[name] = mixed
