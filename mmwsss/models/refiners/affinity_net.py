"""Networks that learn affinities from confident labels: AffinityNet (PSA) and IRNet (IRN).

Both are ordinary models for ``tools/train.py``: their samples carry ``prior_mask``, a label map
with 0 background, ``1..C`` and 255 not confident, of the size of the image or of the feature map.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..utils.reductions import masked_mean
from .pairs import feature_affinity, pair_labels, pair_offsets, path_affinity, shifted


# -- losses ----------------------------------------------------------------------------------------
def affinity_loss(affinity: Tensor, pairs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Cross entropy of affinities: ``bg / 4 + fg / 4 + neg / 2``, the same in PSA and IRN.

    Each term is a mean over its pairs, ``-log(a + 1e-5)`` for positive and ``-log(1 + 1e-5 - a)``
    for negative ones; without such pairs it is 0.

    Args:
        affinity: ``(N, P, h', w')`` in [0, 1].
        pairs: ``bg_positive, fg_positive, negative`` of :func:`pair_labels`.

    Returns:
        ``loss_bg``, ``loss_fg`` and ``loss_neg``, weights included.
    """
    bg, fg, negative = pairs
    alike = -torch.log(affinity + 1e-5)
    apart = -torch.log(1 + 1e-5 - affinity)
    return dict(
        loss_bg=masked_mean(alike, bg) / 4,
        loss_fg=masked_mean(alike, fg) / 4,
        loss_neg=masked_mean(apart, negative) / 2)


def displacement_loss(displacement: Tensor,
                      pairs: Sequence[Tensor],
                      radius: int = 10) -> dict[str, Tensor]:
    """IRN: displacements within an object differ by the offset of the pixels, those of background
    pixels do not differ.

    ``(mean_fg |D_i - D_j - (j - i)| + mean_bg |D_i - D_j|) / 2``, means over pairs and both
    coordinates.

    Args:
        displacement: ``(N, 2, h, w)``, rows first.
        pairs: As in :func:`affinity_loss`.

    Returns:
        ``loss_disp_fg`` and ``loss_disp_bg``, weights included.
    """
    bg, fg, _ = pairs
    offsets = pair_offsets(radius)
    end = torch.stack([shifted(displacement, radius, *offset) for offset in offsets], dim=2)
    difference = shifted(displacement, radius)[:, :, None] - end
    expected = difference.new_tensor(offsets).T[None, :, :, None, None]
    return dict(
        loss_disp_fg=masked_mean((difference - expected).abs().mean(1), fg) / 2,
        loss_disp_bg=masked_mean(difference.abs().mean(1), bg) / 2)


# -- networks --------------------------------------------------------------------------------------
class _AffinityModel(BaseModel):
    """What the two networks share: how batches come in and labels are brought to map size."""

    def __init__(self, backbone: dict, data_preprocessor: dict | None, init_cfg: dict | None):
        super().__init__(
            data_preprocessor=data_preprocessor or dict(type='WSSSDataPreprocessor'),
            init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)

    def labels(self, data_samples: dict[str, list], size: Sequence[int]) -> Tensor:
        """Label maps ``(N, h, w)``; those of image size give pixel ``i`` of the map the label of
        pixel ``stride i + stride // 2``, as PIL's nearest, with which IRN reduces them.

        Raises:
            ValueError: A sample has no ``prior_mask``, or one of another size.
        """
        maps = []
        for sample in data_samples['image']:
            if 'prior_mask' not in sample:
                raise ValueError(
                    f'{type(self).__name__} needs "prior_mask" with the confident labels of '
                    f'"{sample.get("name")}"; set prior_dir in the data set and load it in the '
                    "pipeline (LoadMask(key='prior_mask') or LoadAffinityScores)")
            label = sample.prior_mask
            stride = -(-label.shape[-1] // size[-1])
            label = _every(_every(label, stride).T, stride).T
            if tuple(label.shape) != tuple(size):
                raise ValueError(
                    f'labels of "{sample.get("name")}" have size {tuple(sample.prior_mask.shape)}, '
                    f'the feature map {tuple(size)}; crop to a multiple of the stride')
            maps.append(label)
        if size[0] < self.radius or size[1] < 2 * self.radius - 1:
            raise ValueError(
                f'{type(self).__name__}: a map of {tuple(size)} has no pairs within radius '
                f'{self.radius}; crop larger images or lower the radius')
        return torch.stack(maps)

    def forward(self,
                inputs: Tensor | dict[str, Tensor],
                data_samples: dict[str, list] | None = None,
                mode: str = 'tensor'):
        """``loss`` gives a dict of losses, ``tensor`` what :meth:`extract` does."""
        image = inputs['image'] if isinstance(inputs, dict) else inputs
        if mode == 'loss':
            return self.loss(image, data_samples)
        if mode == 'tensor':
            return self.extract(image)
        raise ValueError(f'mode must be loss or tensor, not "{mode}"')


def _every(label: Tensor, stride: int) -> Tensor:
    """The middle row of every ``stride`` rows; the last one where the image ends before."""
    rows = torch.arange(stride // 2, len(label) + stride // 2, stride, device=label.device)
    return label[rows.clamp(max=len(label) - 1)]


def _check_taps(name: str, feats: Sequence[Tensor], in_channels: Sequence[int]) -> None:
    channels = [feat.shape[1] for feat in feats]
    if channels != list(in_channels):
        raise ValueError(f'{name}: the backbone gives maps of {channels} channels, in_channels '
                         f'says {list(in_channels)}; set out_indices or in_channels')


@MODELS.register_module()
class AffinityNet(_AffinityModel):
    """PSA: features whose L1 distance says whether two near pixels are of one class.

    Each tap of the backbone goes through a 1x1 convolution and ELU; their concatenation through
    another. Taps of other sizes are brought to that of the first one.

    Args:
        backbone: Config; a tuple of maps as ``in_channels`` says.
        in_channels: Channels of the taps; ResNet38d with ``out_indices=(4, 5, 6)``:
            ``(512, 1024, 4096)``.
        channels: Channels each of them is reduced to.
        radius: Pairs are nearer than this.
        data_preprocessor: Config.
    """

    def __init__(self,
                 backbone: dict,
                 in_channels: Sequence[int] = (512, 1024, 4096),
                 channels: Sequence[int] = (64, 128, 256),
                 radius: int = 5,
                 data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None):
        super().__init__(backbone, data_preprocessor, init_cfg)
        if len(in_channels) != len(channels):
            raise ValueError(f'AffinityNet: in_channels={in_channels} and channels={channels} must '
                             'have one entry per tap')
        self.in_channels = tuple(in_channels)
        self.radius = radius
        self.reduce = nn.ModuleList(
            nn.Conv2d(before, after, 1, bias=False) for before, after in zip(in_channels, channels))
        self.fuse = nn.Conv2d(sum(channels), sum(channels), 1, bias=False)
        for layer in self.reduce:
            nn.init.kaiming_normal_(layer.weight)
        nn.init.xavier_uniform_(self.fuse.weight, gain=4)

    def extract(self, image: Tensor) -> Tensor:
        """Normalised images ``(N, 3, H, W)`` to features ``(N, sum(channels), h, w)``."""
        feats = self.backbone(image)
        _check_taps('AffinityNet', feats, self.in_channels)
        size = feats[0].shape[-2:]
        maps = []
        for layer, feat in zip(self.reduce, feats):
            reduced = F.elu(layer(feat))
            if reduced.shape[-2:] != size:
                reduced = F.interpolate(reduced, size, mode='bilinear', align_corners=False)
            maps.append(reduced)
        return F.elu(self.fuse(torch.cat(maps, dim=1)))

    def loss(self, image: Tensor, data_samples: dict[str, list]) -> dict[str, Tensor]:
        """:func:`affinity_loss` of the pairs of confident pixels."""
        features = self.extract(image).float()
        labels = self.labels(data_samples, features.shape[-2:])
        return affinity_loss(feature_affinity(features, self.radius),
                             pair_labels(labels, self.radius))


class _MeanShift(nn.Module):
    """Subtract the mean displacement at inference; follow it in training."""

    def __init__(self, channels: int, momentum: float = 0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer('running_mean', torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.running_mean.lerp_(x.detach().float().mean((0, 2, 3)), self.momentum)
            return x
        return x - self.running_mean[:, None, None]


def _up(x: Tensor, like: Tensor) -> Tensor:
    """Enlarge by a whole factor and cut to the size of another map; grids stay aligned."""
    factor = -(-like.shape[-1] // x.shape[-1])
    if factor > 1:
        x = F.interpolate(x, scale_factor=factor, mode='bilinear', align_corners=False)
    return x[..., :like.shape[-2], :like.shape[-1]]


class _Reduce(nn.Sequential):
    """1x1 convolution and group norm, enlarged to the size of another map, ReLU."""

    def __init__(self, before: int, after: int, groups: int):
        super().__init__(nn.Conv2d(before, after, 1, bias=False), nn.GroupNorm(groups, after))

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        x = super().forward(x)
        return F.relu(x if like is None else _up(x, like))


class _EdgeBranch(nn.Module):

    def __init__(self, in_channels: Sequence[int], channels: int = 32, groups: int = 4):
        super().__init__()
        self.reduce = nn.ModuleList(_Reduce(before, channels, groups) for before in in_channels)
        self.fuse = nn.Conv2d(channels * len(in_channels), 1, 1)

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        maps = [layer(tap, taps[0]) for layer, tap in zip(self.reduce, taps)]
        return self.fuse(torch.cat(maps, dim=1))


class _DisplacementBranch(nn.Module):
    """The first two taps at full, the others at their own size before they are enlarged."""

    def __init__(self, in_channels: Sequence[int]):
        super().__init__()
        widths = [64, 128] + [256] * (len(in_channels) - 2)
        self.reduce = nn.ModuleList(
            _Reduce(before, after, 8 if after == 64 else 16)
            for before, after in zip(in_channels, widths))
        self.coarse = _Reduce(sum(widths[2:]), 256, 16)
        self.fuse = nn.Sequential(
            nn.Conv2d(64 + 128 + 256, 256, 1, bias=False), nn.GroupNorm(16, 256), nn.ReLU(),
            nn.Conv2d(256, 2, 1, bias=False), _MeanShift(2))

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        fine = [layer(tap, taps[0]) for layer, tap in zip(self.reduce[:2], taps[:2])]
        coarse = [layer(tap, taps[2]) for layer, tap in zip(self.reduce[2:], taps[2:])]
        coarse = self.coarse(torch.cat(coarse, dim=1), taps[0])
        return self.fuse(torch.cat([*fine, coarse], dim=1))


@MODELS.register_module()
class IRNet(_AffinityModel):
    """IRN: class boundaries, and displacements to the centres of instances, on frozen features.

    The two branches share nothing that learns, so semantic masks lose nothing without the second.

    Args:
        backbone: Config; it is frozen and stays in eval mode.
        in_channels: Channels of the taps, low to high; with ``stem`` that map first. ResNet-50:
            ``(64, 256, 512, 1024, 2048)``.
        stem: Name of the backbone's submodule whose output is one more tap (``'maxpool'`` of a
            ResNet); None: only the maps that the backbone returns. The first tap gives the size of
            the results (stride 4 in IRN).
        displacement: Have the displacement branch (instances).
        radius: Pairs in training are nearer than this.
        crop_size: Images are padded to this at inference, as training crops are.
        data_preprocessor: Config.
    """

    def __init__(self,
                 backbone: dict,
                 in_channels: Sequence[int] = (64, 256, 512, 1024, 2048),
                 stem: str | None = 'maxpool',
                 displacement: bool = False,
                 radius: int = 10,
                 crop_size: int = 512,
                 data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None):
        super().__init__(backbone, data_preprocessor, init_cfg)
        if displacement and len(in_channels) < 3:
            raise ValueError('IRNet: the displacement branch needs at least three taps, '
                             f'in_channels={in_channels}')
        self.in_channels = tuple(in_channels)
        self.radius = radius
        self.crop_size = crop_size
        self._stem: list[Tensor] = []
        if stem is not None:
            self.backbone.get_submodule(stem).register_forward_hook(self._keep_stem)
        self.edge = _EdgeBranch(in_channels)
        self.displacement = _DisplacementBranch(in_channels) if displacement else None
        self.backbone.requires_grad_(False)

    def _keep_stem(self, module: nn.Module, args: tuple, output: Tensor) -> None:
        self._stem.append(output)

    def train(self, mode: bool = True) -> 'IRNet':
        super().train(mode)
        self.backbone.eval()
        return self

    def extract(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Normalised images ``(N, 3, H, W)`` to edge logits ``(N, 1, h, w)`` and displacements
        ``(N, 2, h, w)`` (or None)."""
        self._stem.clear()
        with torch.no_grad():
            feats = self.backbone(image)
        taps = [*self._stem, *feats]
        self._stem.clear()
        _check_taps('IRNet', taps, self.in_channels)
        return self.edge(taps), None if self.displacement is None else self.displacement(taps)

    def loss(self, image: Tensor, data_samples: dict[str, list]) -> dict[str, Tensor]:
        """:func:`affinity_loss` over paths and :func:`displacement_loss`."""
        edge, displacement = self.extract(image)
        edge = edge.float().sigmoid()[:, 0]
        pairs = pair_labels(self.labels(data_samples, edge.shape[-2:]), self.radius)
        losses = affinity_loss(path_affinity(edge, self.radius), pairs)
        if displacement is not None:
            losses.update(displacement_loss(displacement.float(), pairs, self.radius))
        return losses

    @torch.no_grad()
    def predict_edge(self, image: Tensor) -> Tensor:
        """Boundary probability of normalised images, averaged over the mirror image.

        Args:
            image: ``(N, 3, H, W)`` of any size.

        Returns:
            ``(N, ceil(H / 4), ceil(W / 4))`` in [0, 1] (for a first tap of stride 4).
        """
        height, width = image.shape[-2:]
        both = torch.cat([image, image.flip(-1)])
        both = F.pad(both, (0, max(self.crop_size - width, 0), 0, max(self.crop_size - height, 0)))
        logits = self.extract(both)[0][:, 0]
        stride = round(both.shape[-1] / logits.shape[-1])
        logits = logits[..., :-(-height // stride), :-(-width // stride)]
        straight, mirrored = logits.chunk(2)
        return ((straight + mirrored.flip(-1)) / 2).sigmoid()
