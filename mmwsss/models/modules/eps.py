"""EPS: Explicit Pseudo-pixel Supervision by saliency maps (Lee et al., CVPR 2021), in the form in
which PPC uses it."""


import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..classifiers.views import Views
from .reduced_view import ReducedViewModule


def saliency_loss(cam: Tensor,
                  saliency: Tensor,
                  labels: Tensor,
                  tau: float = 0.4,
                  alpha: float = 0.5) -> Tensor:
    """Squared error between the saliency map and the one that the class probabilities imply.

    Per image, a present class is an object if more than ``tau`` of the pixels that it claims are
    salient, and belongs to the background otherwise. The implied saliency is ``alpha`` times the
    probability of all object classes plus ``1 - alpha`` times that of not being background.

    Args:
        cam: Raw scores ``(N, C + 1, h, w)``, **background first** (the original has it last);
            the softmax over all of them is in here.
        saliency: ``(N, H, W)`` or ``(N, 1, H, W)`` in [0, 1], resized (nearest) to the scores.
        labels: Multi-hot ``(N, C)``.
        tau: Overlap from which on a class is an object; EPS .4 (the code's default is .5).
        alpha: Weight of the objects; .5 on VOC, .9 on COCO.

    Returns:
        A scalar, the mean over all pixels.
    """
    saliency = saliency.reshape(len(saliency), 1, *saliency.shape[-2:]).float()
    saliency = F.interpolate(saliency, cam.shape[-2:], mode='nearest')
    prob = cam.float().softmax(dim=1)
    background, classes = prob[:, :1], prob[:, 1:]
    with torch.no_grad():
        claimed = classes.round()
        overlap = (claimed * saliency.round()).sum((2, 3)) / (claimed + 1e-4).sum((2, 3))
        present = labels > 0
        objects = (present & (overlap > tau)).to(prob)[:, :, None, None]
        others = (present & (overlap <= tau)).to(prob)[:, :, None, None]
    foreground = (classes * objects).sum(dim=1, keepdim=True)
    rest = background + (classes * others).sum(dim=1, keepdim=True)
    return F.mse_loss(alpha * foreground + (1 - alpha) * (1 - rest), saliency)


@MODELS.register_module()
class ExplicitPseudoPixelSupervision(ReducedViewModule):
    """EPS: saliency maps supervise the class scores and the background score.

    Needs a head with a background score and the data field ``saliency`` ``(H, W)`` in [0, 1].

    Args:
        tau, alpha: See :func:`saliency_loss`.
        revised: Supervise SEAM's revised CAM as well (PPC with EPS).
        scale, size: A reduced view on which to do the same, see :class:`ReducedViewModule`; its
            terms and those of the image are averaged. Without either, the image only.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.

    Raises:
        ValueError: An option is out of range, or the head has no background score.
    """

    prefix = 'eps'
    fields = ('saliency', )
    needs_copy = False

    def __init__(self,
                 tau: float = 0.4,
                 alpha: float = 0.5,
                 revised: bool = False,
                 **kwargs):
        super().__init__(**kwargs)
        for option, value in (('tau', tau), ('alpha', alpha)):
            if not 0 <= value <= 1:
                raise ValueError(f'{type(self).__name__}: {option}={value} must be in [0, 1]')
        self.tau = tau
        self.alpha = alpha
        self.revised = revised

    def check(self, model: nn.Module) -> None:
        self.need_background(model)
        if self.revised:
            self.need_revised(model, ' for revised=True')

    def loss(self, views: Views) -> dict[str, Tensor]:
        labels = views.labels('image')
        saliency = views.field('saliency')
        outputs = [views[name] for name in self.names(views)]

        def mean_loss(maps):
            terms = [saliency_loss(x, saliency, labels, self.tau, self.alpha) for x in maps]
            return torch.stack(terms).mean()

        losses = dict(loss_sal=mean_loss([output.scores for output in outputs]))
        if self.revised:
            losses['loss_sal_rv'] = mean_loss([output.extra['cam_rv'] for output in outputs])
        return losses
