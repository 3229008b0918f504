"""A CAM by 1x1 convolution, image logits by its global average (Zhou et al., CAM)."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS

from .base import CAMOutput


@MODELS.register_module()
class GAPHead(BaseModule):
    """1x1 convolution to a CAM, global average pooling to logits.

    Args:
        num_classes: Foreground classes C.
        in_channels: Channels of the last feature map.
        drop: Channel dropout before the convolution (0.5 in PSA and SEAM).
        embed_channels: Width D of an embedding between features and CAM (1x1 to D, ReLU, 1x1 to C;
            256 in AEFT, KTSE and RCM), or None for a CAM straight from the features.
        background: Also give a background score, channel 0 of the last convolution.
        bias: The last convolution has one (EADER's networks).
        init_cfg: By default both convolutions start from Xavier's uniform distribution.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 drop: float = 0.,
                 embed_channels: int | None = None,
                 background: bool = False,
                 bias: bool = False,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.background = background
        self.dropout = nn.Dropout2d(drop)
        self.embed = None
        if embed_channels is not None:
            self.embed = nn.Conv2d(in_channels, embed_channels, 1, bias=False)
            nn.init.xavier_uniform_(self.embed.weight)
        self.classifier = nn.Conv2d(
            embed_channels or in_channels, num_classes + int(background), 1, bias=bias)
        nn.init.xavier_uniform_(self.classifier.weight)
        if bias:
            nn.init.zeros_(self.classifier.bias)

    def forward(self, feats: Sequence[Tensor]) -> CAMOutput:
        """
        Args:
            feats: Feature maps of the backbone; the last one is classified.

        Returns:
            Raw signed CAM, logits, and ``extra['embedding']`` ``(N, D, h, w)`` if there is one.
        """
        return self.classify(self.dropout(feats[-1]), feats)

    def classify(self, x: Tensor, feats: Sequence[Tensor]) -> CAMOutput:
        """CAM and logits of ``x``, the last of ``feats`` after dropout."""
        extra = {}
        if self.embed is not None:
            x = extra['embedding'] = F.relu(self.embed(x))
        scores = self.classifier(x)
        bg, cam = (scores[:, :1], scores[:, 1:]) if self.background else (None, scores)
        logits = self.pool(cam, extra)
        return CAMOutput(cam, logits, bg, tuple(feats), extra)

    def pool(self, cam: Tensor, extra: dict) -> Tensor:
        """Image logits ``(N, C)`` of a CAM; may add to ``extra``."""
        return cam.mean(dim=(2, 3))

    def loss(self, output: CAMOutput, labels: Tensor) -> dict:
        """Binary cross entropy on the logits, mean over images and classes (this *is* the
        "multilabel soft margin loss" of other papers).

        Args:
            output: What :meth:`forward` gave.
            labels: Multi-hot ``(N, C)``.
        """
        return dict(loss_cls=F.binary_cross_entropy_with_logits(output.logits.float(), labels))
