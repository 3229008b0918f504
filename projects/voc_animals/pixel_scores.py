"""Seeds by the pixel scores that KTSE's cross entropy trains."""

from torch import Tensor

from mmwsss.models.heads import CAMOutput, GPPHead
from mmwsss.registry import MODELS


@MODELS.register_module()
class PixelScoreHead(GPPHead):
    """Gated pyramid pooling whose seeds are the pixel scores that eq. 5 of KTSE trains, the softmax
    over background and classes, where :class:`GPPHead` has the CAM and a threshold.

    Args:
        args, kwargs: See :class:`GPPHead`; ``background`` must be true.

    Raises:
        ValueError: No background score.
    """

    own_background = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.background:
            raise ValueError('PixelScoreHead scores the background itself: set background=True')

    def infer_scores(self, output: CAMOutput, flip: bool) -> Tensor:
        """
        Args:
            output: Of N images, with ``flip`` followed by their N mirror images.
            flip: See ``output``.

        Returns:
            Mean probabilities ``(N, C + 1, h, w)``, background first.
        """
        prob = output.scores.float().softmax(1)
        if not flip:
            return prob
        straight, mirrored = prob.chunk(2)
        return (straight + mirrored.flip(-1)) / 2
