"""What every CAM head gives back."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class CAMOutput:
    """One forward pass of a network over one view.

    Attributes:
        cam: Raw, signed class activation map ``(N, C, h, w)`` of the foreground classes.
        logits: Image logits ``(N, C)``.
        bg: Raw background score ``(N, 1, h, w)``, or None where the head has none.
        feats: Feature maps of the backbone, low to high level.
        extra: Tensors that only some heads make, by name (``pooled_map``, ``embedding``, ...);
            their first dimension is the batch.
        origin: The pass of several views that this is a part of, and the place of its first image
            there. The logits were computed from the features of the whole, so that is where
            :class:`GradCAM` differentiates.
    """

    cam: Tensor
    logits: Tensor
    bg: Tensor | None = None
    feats: tuple[Tensor, ...] = ()
    extra: dict[str, Tensor] = field(default_factory=dict)
    origin: tuple['CAMOutput', int] | None = None

    @property
    def scores(self) -> Tensor:
        """Raw scores with the background first, ``(N, C + 1, h, w)``.

        Raises:
            ValueError: The head gives no background score.
        """
        if self.bg is None:
            raise ValueError(
                'this head gives no background score; build it with background=True, or choose a '
                'module option that makes one')
        return torch.cat([self.bg, self.cam], dim=1)

    def detach(self) -> 'CAMOutput':
        """The same values without gradient."""
        return CAMOutput(
            self.cam.detach(), self.logits.detach(), None if self.bg is None else self.bg.detach(),
            tuple(feat.detach() for feat in self.feats),
            {name: tensor.detach() for name, tensor in self.extra.items()})

    def split(self, sizes) -> tuple['CAMOutput', ...]:
        """Cut a batched pass into the passes of the views it was made of."""
        def cut(x):
            return [None] * len(sizes) if x is None else x.split(sizes)

        feats = zip(*map(cut, self.feats)) if self.feats else [()] * len(sizes)
        extras = [dict() for _ in sizes]
        for name, tensor in self.extra.items():
            for extra, part in zip(extras, cut(tensor)):
                extra[name] = part
        origins = [(self, sum(sizes[:i])) for i in range(len(sizes))]
        return tuple(
            CAMOutput(*parts) for parts in zip(
                cut(self.cam), cut(self.logits), cut(self.bg), map(tuple, feats), extras, origins))
