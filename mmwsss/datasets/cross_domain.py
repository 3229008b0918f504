"""Single-label images pasted into multi-label ones (CSD)."""

from typing import Dict, Sequence

import numpy as np
import torch
from torch import Tensor

from mmwsss.registry import DATASETS
from mmwsss.structures import WSSSDataSample

from .cooccurrence import cooccurrence_matrix, pairing_distribution
from .paired import CHOICE, SECOND, THIRD, _Wrapper


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


@DATASETS.register_module()
class CrossDomainDataset(_Wrapper):
    """Beside each image, a single-label source, a multi-label target, and the two mixed.

    The target is drawn uniformly from the images with several classes; the class of the source by
    how often it comes together with those of the target, the source uniformly among the images
    that have this class alone. All is a function of ``(seed, epoch, index)``.

    Views, in ``inputs`` and ``data_samples`` (those but ``image`` have the size of the mix
    pipeline's crop):

    - ``image``: the image through the pipeline of ``dataset``.
    - ``source``: ``prior_mask`` is reduced to its one class (other classes are background).
    - ``target``: with its ``prior_mask``.
    - ``fg_mix``: the target with the source's foreground at the same place; the labels of both.
    - ``bg_mix``: the target with the source's background where both are background; the target's
      labels.

    The mixed samples have ``paste_mask`` bool ``(H, W)``, true on pixels of the source.

    Args:
        dataset: Config of an :class:`ImageLabelDataset` with ``prior_dir``, made by the stage
            ``prior`` of the pipeline.
        mix_pipeline: Transforms of source and target; needs ``LoadMask(key='prior_mask')`` and a
            crop to one size.
        pairing: ``paper`` (Eq. 1, row sums), ``paper-alone`` (its diagonal counts the images with
            the class alone), ``prototype`` (softmax of 0.1 N), or ``uniform`` over
            all single-label images.
        target: ``multi``, or ``all`` images as in the prototype.
        begin: First epoch with the further views; before it, samples have ``image`` only.

    Raises:
        ValueError: No single-label image, no multi-label image, or no prior masks.
        FileNotFoundError: A prior mask is missing.
    """

    def __init__(self,
                 dataset: dict,
                 mix_pipeline: Sequence[dict],
                 pairing: str = 'paper',
                 target: str = 'multi',
                 begin: int = 0):
        if pairing not in ('paper', 'paper-alone', 'prototype', 'uniform'):
            raise ValueError(f"CrossDomainDataset: pairing={pairing!r} must be 'paper', "
                             "'paper-alone', 'prototype' or 'uniform'")
        if target not in ('multi', 'all'):
            raise ValueError(f"CrossDomainDataset: target={target!r} must be 'multi' or 'all'")
        if not any(isinstance(t, dict) and t.get('key') == 'prior_mask' for t in mix_pipeline):
            raise ValueError("CrossDomainDataset: mix_pipeline must read the prior masks; add "
                             "dict(type='LoadMask', key='prior_mask') after LoadImage")
        if dataset.get('prior_dir') is None:
            raise ValueError('CrossDomainDataset needs prior masks: set prior_dir of the data set '
                             'to the masks of a base model (made by tools/generate_masks.py)')
        super().__init__(dataset)
        self.begin = begin
        # The same images through the other pipeline; building it checks that all masks are there.
        self.mixed = DATASETS.build({**dataset, 'pipeline': list(mix_pipeline)})
        labels = torch.from_numpy(self.dataset.label_matrix())
        count = labels.sum(1)
        self._single = [torch.nonzero((count == 1) & column.bool())[:, 0].numpy()
                        for column in labels.T]
        self._has_single = np.array([len(indices) > 0 for indices in self._single])
        if not self._has_single.any():
            raise ValueError('CrossDomainDataset: no image has exactly one class, so there is no '
                             'source; use more classes or images')
        pool = count > 1 if target == 'multi' else count > 0
        self._targets = torch.nonzero(pool)[:, 0].numpy()
        if not len(self._targets):
            raise ValueError('CrossDomainDataset: no image has several classes, so there is no '
                             "target; use other images, or target='all'")
        self.sources = self._source_distribution(labels, pairing)

    def _source_distribution(self, labels: Tensor, pairing: str) -> np.ndarray:
        """Per image as target, the probability ``(N, C)`` of each class as the source."""
        if pairing == 'uniform':
            sizes = np.array([len(indices) for indices in self._single], np.float64)
            return np.broadcast_to(sizes / sizes.sum(), labels.shape)
        matrix = cooccurrence_matrix(labels, pairing)
        chances = pairing_distribution(matrix, labels, pairing).double().numpy()
        chances = chances * self._has_single
        # Where no companion has an image of its own, any class that has.
        chances[chances.sum(1) == 0] = self._has_single
        return chances / chances.sum(1, keepdims=True)

    def pair(self, idx: int, epoch: int = 0) -> tuple:
        """Indices ``(source, target)`` that go with sample ``idx``."""
        rng = np.random.default_rng([self.dataset.seed, epoch, int(idx), CHOICE])
        target = int(rng.choice(self._targets))
        label = rng.choice(self.sources.shape[1], p=self.sources[target])
        return int(rng.choice(self._single[label])), target

    def __getitem__(self, idx: int) -> dict:
        epoch, index = getattr(idx, 'epoch', 0), int(idx) % len(self)
        own = self.dataset[idx]
        self.mixed.seed = self.dataset.seed  # which the training loop sets
        if epoch < self.begin:
            return own
        source, target = (
            self.mixed.load(i, epoch, index, draw)
            for i, draw in zip(self.pair(index, epoch), (SECOND, THIRD)))
        views, samples = dict(own['inputs']), dict(own['data_samples'])
        for name, sample in dict(source=source, target=target).items():
            views[name] = sample['inputs']['image']
            samples[name] = sample['data_samples']['image']
        self._mix(views, samples)
        return dict(inputs=views, data_samples=samples)

    @staticmethod
    def _mix(views: Dict[str, Tensor], samples: Dict[str, WSSSDataSample]) -> None:
        source, target = samples['source'], samples['target']
        if views['source'].shape != views['target'].shape:
            raise ValueError(
                f'CrossDomainDataset: source {tuple(views["source"].shape)} and target '
                f'{tuple(views["target"].shape)} differ in size; crop them in mix_pipeline, e.g. '
                "dict(type='RandomPadCrop', size=224)")
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


