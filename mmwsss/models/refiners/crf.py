"""Fully connected CRF (Kraehenbuehl & Koltun, NeurIPS 2011) with the field's parameter sets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from mmwsss.registry import MODELS


def _preset(iters, gauss_sxy, gauss_compat, bilateral_sxy, bilateral_srgb, bilateral_compat):
    return dict(iters=iters, gauss_sxy=gauss_sxy, gauss_compat=gauss_compat,
                bilateral_sxy=bilateral_sxy, bilateral_srgb=bilateral_srgb,
                bilateral_compat=bilateral_compat)


CRF_PRESETS = dict(
    psa=_preset(10, 3, 3, 80, 13, 10),  # PSA, SEAM, AEFT, MCTformer: affinity labels, seeds
    psa_rw=_preset(1, 3, 3, 80, 13, 10),  # AEFT, SEAM: after the random walk
    eps=_preset(5, 3, 3, 80, 13, 10),  # PPC and EPS masks, alpha 8
    irn_label=_preset(10, 3, 3, 50, 5, 10),  # IRN and PPC, from labels
    deeplab=_preset(10, 1, 3, 67, 3, 4),  # deeplab-pytorch, BECO: segmentation
    mct_seg=_preset(10, 4, 3, 83, 5, 3))  # MCTformer: segmentation


class CRF(ABC):
    """Shared by both implementations: parameters, unary energies, checks."""

    device = 'cpu'

    def __init__(self,
                 iters: int = 10,
                 gauss_sxy: float = 3,
                 gauss_compat: float = 3,
                 bilateral_sxy: float = 80,
                 bilateral_srgb: float = 13,
                 bilateral_compat: float = 10):
        self.iters = iters
        self.gauss_sxy = gauss_sxy
        self.gauss_compat = gauss_compat
        self.bilateral_sxy = bilateral_sxy
        self.bilateral_srgb = bilateral_srgb
        self.bilateral_compat = bilateral_compat

    def __call__(self, img: np.ndarray, prob: np.ndarray) -> np.ndarray:
        """Refine probabilities.

        Args:
            img: Image uint8 ``(H, W, 3)``; the order of colours does not matter.
            prob: ``(K, H, W)`` float in [0, 1], the background and the image's classes only. They
                need not sum to 1 (PSA's scores do not); they are clipped to [1e-5, 1].

        Returns:
            float32 ``(K, H, W)``, sums to 1 over K.

        Raises:
            ValueError: Wrong dtype, or sizes that differ.
        """
        prob = np.asarray(prob, np.float32)
        return self._refine(img, -np.log(np.clip(prob, 1e-5, 1)))

    def from_labels(self,
                    img: np.ndarray,
                    labels: np.ndarray,
                    num_labels: int,
                    gt_prob: float = 0.7,
                    all_labels: int | None = None) -> np.ndarray:
        """Refine a label map that is right with probability ``gt_prob`` (IRN).

        Args:
            img: Image uint8 ``(H, W, 3)``.
            labels: ``(H, W)`` integers in ``0..num_labels - 1``.
            num_labels: Labels that may come out.
            gt_prob: Confidence; the rest is shared by the other labels.
            all_labels: Labels that there are, where that is more than may come out.

        Returns:
            float32 ``(num_labels, H, W)``.
        """
        other = -np.log((1 - gt_prob) / max((all_labels or num_labels) - 1, 1))
        energy = np.full((num_labels, *labels.shape), other, np.float32)
        np.put_along_axis(energy, labels[None].astype(np.int64), -np.log(gt_prob), axis=0)
        return self._refine(img, energy)

    def _refine(self, img: np.ndarray, energy: np.ndarray) -> np.ndarray:
        if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(
                f'CRF: the image must be uint8 (H, W, 3), got {img.dtype} {img.shape}')
        if img.shape[:2] != energy.shape[1:]:
            raise ValueError(f'CRF: image of size {img.shape[:2]} but scores of size '
                             f'{energy.shape[1:]}; resize the scores first')
        if len(energy) == 1:
            return np.ones(energy.shape, np.float32)
        return self._infer(np.ascontiguousarray(img), np.ascontiguousarray(energy))

    @abstractmethod
    def _infer(self, img: np.ndarray, energy: np.ndarray) -> np.ndarray:
        """Probabilities ``(K, H, W)`` by mean field, from a contiguous image and energy."""

    def __repr__(self) -> str:
        options = ', '.join(f'{key}={value}' for key, value in vars(self).items())
        return f'{type(self).__name__}({options})'


@MODELS.register_module()
class DenseCRF(CRF):
    """Mean-field inference of pydensecrf.

    Args:
        iters: Mean-field iterations.
        gauss_sxy: Deviation in pixels of the smoothness kernel.
        gauss_compat: Its weight.
        bilateral_sxy: Deviation in pixels of the appearance kernel.
        bilateral_srgb: Its deviation in colour (0..255).
        bilateral_compat: Its weight.

    Raises:
        ImportError: pydensecrf is not installed.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not has_pydensecrf():
            raise ImportError('DenseCRF needs pydensecrf: pip install pydensecrf2; or use the '
                              'slower TorchCRF, which make_crf() falls back to')

    def _infer(self, img: np.ndarray, energy: np.ndarray) -> np.ndarray:
        from pydensecrf.densecrf import DenseCRF2D
        labels, height, width = energy.shape
        crf = DenseCRF2D(width, height, labels)
        crf.setUnaryEnergy(energy.reshape(labels, -1))
        crf.addPairwiseGaussian(sxy=self.gauss_sxy, compat=self.gauss_compat)
        crf.addPairwiseBilateral(sxy=self.bilateral_sxy, srgb=self.bilateral_srgb, rgbim=img,
                                 compat=self.bilateral_compat)
        return np.array(crf.inference(self.iters), np.float32).reshape(energy.shape)


class _Permutohedral:
    """Gaussian filter on the permutohedral lattice (Adams et al., 2010), unit deviation.

    Args:
        features: Positions ``(n, d)``.
    """

    def __init__(self, features: Tensor):
        count, d = features.shape
        device = features.device
        axis = torch.arange(1, d + 1, dtype=features.dtype, device=device)
        # Onto the hyperplane of d + 1 coordinates that sum to 0.
        scaled = features * (2 / 3)**0.5 * (d + 1) / (axis * (axis + 1)).sqrt()
        above = scaled.flip(1).cumsum(1).flip(1)
        elevated = torch.cat([above[:, :1], above - scaled - axis * scaled], dim=1)
        # The nearest lattice point of remainder 0 and the simplex around the position.
        base = (elevated / (d + 1)).round()
        excess = base.sum(1, keepdim=True).long()
        base = base.long() * (d + 1)
        order = (base - elevated).argsort(dim=1, stable=True)
        rank = order.argsort(dim=1) + excess
        wrap = (rank < 0).long() - (rank > d).long()
        rank += wrap * (d + 1)
        base += wrap * (d + 1)
        delta = (elevated - base) / (d + 1)
        weight = features.new_zeros(count, d + 2)
        weight.scatter_add_(1, d - rank, delta).scatter_add_(1, d + 1 - rank, -delta)
        weight[:, 0] += 1 + weight[:, d + 1]
        self.weight = weight[:, :d + 1]
        # Lattice points by name: one integer from the first d coordinates.
        remainder = torch.arange(d + 1, device=device)[:, None]
        canonical = torch.where(remainder.T <= d - remainder, remainder, remainder - d - 1)
        keys = (base[:, None] + canonical[:, rank].transpose(0, 1))[..., :d].reshape(-1, d)
        low = keys.amin(0) - d - 1
        span = keys.amax(0) + d + 2 - low
        radix = torch.cat([span.new_ones(1), span.cumprod(0)[:-1]])
        names, index = ((keys - low) * radix).sum(1).unique(return_inverse=True)
        self.index = index.view(count, d + 1)
        self.size = len(names)
        self.neighbours = []
        for j in range(d + 1):
            step = -torch.ones_like(radix)
            if j < d:
                step[j] = d
            step = (step * radix).sum()
            self.neighbours.append([self._find(names, names + sign * step) for sign in (1, -1)])
        self.scale = 1 / (1 + 2.**-d)

    def _find(self, names: Tensor, wanted: Tensor) -> Tensor:
        place = torch.searchsorted(names, wanted).clamp_(max=self.size - 1)
        return place.masked_fill_(names[place] != wanted, self.size)

    def __call__(self, values: Tensor) -> Tensor:
        """Filter ``(n, K)``."""
        grid = values.new_zeros(self.size + 1, values.shape[1])  # the last row: no such point
        for index, weight in zip(self.index.unbind(1), self.weight.unbind(1)):
            grid.index_add_(0, index, values * weight[:, None])
        for near, far in self.neighbours:
            blurred = 0.5 * (grid[near] + grid[far])
            grid[:-1] += blurred
        return self.scale * sum(
            grid[index] * weight[:, None]
            for index, weight in zip(self.index.unbind(1), self.weight.unbind(1)))


@MODELS.register_module()
class TorchCRF(CRF):
    """The same mean-field inference in pure PyTorch, for where pydensecrf cannot be installed.

    The same lattice and normalisation as pydensecrf, a few times slower. Arguments as
    :class:`DenseCRF`; ``device`` runs it on a GPU.
    """

    def __init__(self, *args, device: str = 'cpu', **kwargs):
        super().__init__(*args, **kwargs)
        self.device = device

    def _infer(self, img: np.ndarray, energy: np.ndarray) -> np.ndarray:
        height, width = img.shape[:2]
        place = torch.stack(torch.meshgrid(
            torch.arange(height), torch.arange(width), indexing='ij')[::-1], -1)
        place = place.view(-1, 2).float().to(self.device)
        colour = torch.from_numpy(img).view(-1, 3).float().to(self.device)
        kernels = []
        for features, compat in (
            (place / self.gauss_sxy, self.gauss_compat),
            (torch.cat([place / self.bilateral_sxy, colour / self.bilateral_srgb], 1),
             self.bilateral_compat)):
            lattice = _Permutohedral(features)
            norm = (lattice(torch.ones_like(place[:, :1])) + 1e-20).rsqrt()
            kernels.append((lattice, norm, compat))
        unary = -torch.from_numpy(energy).flatten(1).T.to(self.device)
        prob = unary.softmax(1)
        for _ in range(self.iters):
            logits = unary.clone()
            for lattice, norm, compat in kernels:
                logits += compat * norm * lattice(norm * prob)
            prob = logits.softmax(1)
        return prob.T.reshape(energy.shape).cpu().numpy()


def has_pydensecrf() -> bool:
    """Whether pydensecrf is installed."""
    return find_spec('pydensecrf') is not None


def make_crf(cfg: None | str | Mapping | CRF) -> CRF | None:
    """A CRF from a preset's name or a config.

    Args:
        cfg: Name in ``CRF_PRESETS``; ``dict(preset='psa', iters=1)`` with changes;
            ``dict(type='DenseCRF', ...)``; a CRF; or None.

    Returns:
        :class:`DenseCRF`, or :class:`TorchCRF` (said once in the log) if pydensecrf is missing and
        the config names no type.

    Raises:
        ValueError: Unknown preset.
    """
    if cfg is None or isinstance(cfg, CRF):
        return cfg
    cfg = dict(preset=cfg) if isinstance(cfg, str) else dict(cfg)
    if 'type' in cfg:
        return MODELS.build(cfg)
    name = cfg.pop('preset', 'psa')
    if name not in CRF_PRESETS:
        raise ValueError(f'no CRF preset "{name}"; there are {sorted(CRF_PRESETS)}')
    options = {**CRF_PRESETS[name], **cfg}
    if has_pydensecrf():
        return DenseCRF(**options)
    print_log('pydensecrf is not installed (pip install pydensecrf2): the CRF is TorchCRF, '
              'equal but slower', 'current', level=30)
    return TorchCRF(**options)


@dataclass
class CAMCRF:
    """The dense CRF that a refiner begins with, on the scores of background and CAM.

    Args:
        owner: Name of the refiner, for messages.
        preset: Of the CRF, see :func:`make_crf`.
        unary: ``'scores'``: minus the logarithm of the scores (PSA, AEFT); ``'labels'``: the argmax
            is right with probability ``gt_prob`` (IRN, PPC).
        gt_prob: For ``'labels'``; in (0, 1).
        all_labels: Likewise; the labels, the background included, that share the rest of the
            probability: those of the image (None, IRN), or of the data set (PPC).

    Raises:
        ValueError: Another ``unary``, or ``gt_prob`` is out of its range.
    """

    owner: str
    preset: str | dict | CRF
    unary: str = 'scores'
    gt_prob: float = 0.7
    all_labels: int | None = None

    def __post_init__(self):
        if self.unary not in ('scores', 'labels'):
            raise ValueError(
                f"{self.owner}: unary={self.unary!r} must be 'scores' or 'labels'")
        if not 0 < self.gt_prob < 1:  # also catches nan
            raise ValueError(f'{self.owner}: gt_prob={self.gt_prob} must be in (0, 1)')
        self.crf = make_crf(self.preset)

    def __call__(self, image: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Refine scores ``(K, H, W)`` of an image uint8 ``(H, W, 3)``; the result has their shape
        and sums to 1 over K."""
        if self.unary == 'labels':
            return self.crf.from_labels(
                image, scores.argmax(0), len(scores), self.gt_prob, self.all_labels)
        return self.crf(image, scores)
