"""EADER: "Find it if You Can: End-to-End Adversarial Erasing" (Stammes et al., 2020).

A second classifier, the adversary, sees the image with the attended part of one class erased and
learns to find that class all the same; the localizer (the student) learns to leave it nothing.
The defaults are those of the released code, which gave the published numbers; where the paper's
equation differs, it is an option and the docstring says so.
"""


import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.registry import MODELS

from ..classifiers.grad_cam import GradCAM
from ..classifiers.views import Views
from ..utils.reductions import rank_mean
from .base import WSSSModule


# -- equations -------------------------------------------------------------------------------------
def soft_mask(cam: Tensor, omega: float = 100., psi: float = 0.5) -> Tensor:
    """What is erased, differentiably: ``sigmoid(omega (cam - psi))``.

    Args:
        cam: Attention maps in [0, 1], any shape.
        omega: Sharpness.
        psi: Attention at which the mask is 1/2.

    Returns:
        1 where erased, 0 where kept, of the same shape.
    """
    return torch.sigmoid(omega * (cam - psi))


def attention_mining_loss(scores: Tensor,
                          classes: Tensor,
                          divisor: float | None = None) -> Tensor:
    """L_am: how well the adversary still finds the erased classes.

    Args:
        scores: What the adversary gives for each erased copy, ``(M, C)``: probabilities (code) or
            logits (paper).
        classes: The class that was erased from each copy, int64 ``(M,)``.
        divisor: What the sum over copies is divided by; by default M (code). Paper: ``N C`` with N
            images.

    Returns:
        A scalar.
    """
    erased = scores.gather(1, classes[:, None])
    return erased.sum() / (len(erased) if divisor is None else divisor)


def attention_size_loss(cam: Tensor, divisor: float | None = None) -> Tensor:
    """L_reg: the attended share of the image.

    Args:
        cam: Normalised attention maps, ``(M, H, W)``.
        divisor: What the sum over maps is divided by; by default M (code). Paper: ``N C`` with N
            images.

    Returns:
        A scalar.
    """
    return cam.mean((-2, -1)).sum() / (len(cam) if divisor is None else divisor)


def normalize_attention(cam: Tensor, mode: str = 'minmax') -> Tensor:
    """Scale every map to a maximum of 1.

    Args:
        cam: ``(M, H, W)``.
        mode: ``'minmax'``: minimum to 0 first (code); ``'max'``: ReLU first (paper, eq. 2).

    Returns:
        Maps in [0, 1]; a map without evidence stays 0.
    """
    cam = F.relu(cam) if mode == 'max' else cam - cam.amin((-2, -1), keepdim=True)
    high = cam.amax((-2, -1), keepdim=True)
    return cam / torch.where(high > 0, high, 1.)


# -- module ----------------------------------------------------------------------------------------
@MODELS.register_module()
class AdversarialErasing(WSSSModule):
    """End-to-end adversarial erasing.

    Makes the view ``erased_per_class``: one copy per image and present class, ordered by image
    and then class, with that class's attention erased and the image's full label. In a phase that
    trains the student it gives ``alpha L_am + beta L_reg`` beside the classification loss of the
    head; in one that trains the adversary, the adversary's classification loss on the copies. The
    loop alternates the two (``train_cfg.phases``); to train both at once would turn L_am against
    the adversary's own loss, and is refused.

    Args:
        alpha: Weight of attention mining; with 0 the model needs no adversary and no phases.
        beta: Weight of the size regularisation.
        attention: ``'grad_cam'`` (paper), or ``'cam'``, the head's own CAM.
        relu: Drop negative evidence from the attention. Default: for Grad-CAM only (code; the
            paper's CAM has the ReLU, eq. 2, and so has EADER in PSA, which was not released).
        norm: Scaling of the attention: ``'minmax'`` (code) or ``'max'`` (paper). Min-max without
            the ReLU erases about half of an image, ``'max'`` with it 3 to 22 %.
        mining: L_am on ``'prob'`` abilities (code) or ``'logit'`` s (paper).
        average: L_am and L_reg are means over ``'copies'`` (code), or over ``'classes'``: sums over
            an image's classes divided by C (paper).
        omega: Sharpness of the soft mask.
        psi: Attention above which a pixel is erased.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.
    """

    prefix = 'eader'
    networks = ('adversary', )
    trains = ('student', 'adversary')

    def __init__(self,
                 alpha: float = 0.05,
                 beta: float = 1e-5,
                 attention: str = 'grad_cam',
                 relu: bool | None = None,
                 norm: str = 'minmax',
                 mining: str = 'prob',
                 average: str = 'copies',
                 omega: float = 100.,
                 psi: float = 0.5,
                 **kwargs):
        super().__init__(**kwargs)
        for key, value, known in [('attention', attention, ('grad_cam', 'cam')),
                                  ('norm', norm, ('minmax', 'max')),
                                  ('mining', mining, ('prob', 'logit')),
                                  ('average', average, ('copies', 'classes'))]:
            if value not in known:
                raise ValueError(
                    f'AdversarialErasing: {key}={value!r} must be {known[0]!r} or {known[1]!r}')
        self.alpha = alpha
        self.beta = beta
        if not alpha:
            self.networks = ()
        self.relu = attention == 'grad_cam' if relu is None else relu
        self.grad_cam = GradCAM(self.relu) if attention == 'grad_cam' else None
        self.norm = norm
        self._attention = (attention, self.relu, norm)
        self.mining = mining
        self.average = average
        self.omega = omega
        self.psi = psi

    def add_views(self, views: Views) -> None:
        def erase() -> Tensor:
            keep = 1 - soft_mask(self.attention(views), self.omega, self.psi)
            return views.image()[rows] * keep[:, None]

        rows, _ = self.copies(views)
        views.add('erased_per_class', erase, labels=views.labels()[rows], after=('image', ),
                  attention=self._attention, omega=self.omega, psi=self.psi)
        views.expect('image')

    @staticmethod
    def copies(views: Views):
        """Image and class of each copy, two int64 ``(M,)``; M is 1 even if there is no label."""
        def find():
            found = views.cpu_labels().nonzero()
            found = found if len(found) else found.new_zeros(1, 2)
            return found.to(views.image().device, non_blocking=True).unbind(1)

        return views.shared('eader.copies', find)

    def attention(self, views: Views) -> Tensor:
        """The student's normalised attention for each copy at the size of the image,
        ``(M, H, W)``; without gradient in the adversary's phase."""
        def attend() -> Tensor:
            output = views['image']
            if self.grad_cam is not None:
                cam = self.grad_cam.attend(output, views.cpu_labels())
            else:
                cam = F.relu(output.cam) if self.relu else output.cam
            if not views.trains('student'):
                cam = cam.detach()
            cam = cam[self.copies(views)].float()
            size = views.image().shape[-2:]
            cam = F.interpolate(cam[:, None], size, mode='bilinear', align_corners=False)[:, 0]
            return normalize_attention(cam, self.norm)

        return views.shared(f'eader.attention/{self._attention}', attend)

    def loss(self, views: Views) -> dict[str, Tensor]:
        labels = views.labels()
        mines = views.trains('student')
        if mines and self.alpha and views.trains('adversary'):
            raise ValueError(
                'AdversarialErasing must not train localizer and adversary in the same step; set '
                "train_cfg.phases and one optimizer for each (see configs/eader)")
        # A batch without any label has one copy, to have a graph, that counts nothing.
        weight = labels.any().to(labels)
        # Means over the copies of all ranks.
        count = rank_mean(labels.sum()).clamp(min=1)
        if not mines:
            logits = views('erased_per_class', 'adversary').logits.float()
            loss = F.binary_cross_entropy_with_logits(
                logits, views.labels('erased_per_class'), reduction='sum')
            return dict(loss_adv=weight * loss / (count * logits.shape[1]))
        if self.average == 'classes':
            count = labels.numel()
        losses = {}
        if self.alpha:
            scores = views('erased_per_class', 'adversary').logits.float()
            if self.mining == 'prob':
                scores = scores.sigmoid()
            classes = self.copies(views)[1]
            losses['loss_am'] = self.alpha * weight * attention_mining_loss(scores, classes, count)
        if self.beta:
            size = attention_size_loss(self.attention(views), count)
            losses['loss_reg'] = self.beta * weight * size
        return losses
