"""Grad-CAM without hooks, differentiable through the features."""


import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..heads.base import CAMOutput


@MODELS.register_module()
class GradCAM(nn.Module):
    """Grad-CAM (Selvaraju et al.): ``relu(sum_d w_cd f_d)`` over the channels of the last feature
    map, ``w_cd`` being the spatial mean of the gradient of logit c by channel d.

    The weights are constants; a loss on the map reaches the network through the features only, and
    no second derivative is taken. The gradient is that of the features alone
    (``torch.autograd.grad``): no parameter's ``grad`` is touched and there are no hooks to leak.

    Args:
        relu: Drop negative evidence.
    """

    def __init__(self, relu: bool = True):
        super().__init__()
        self.relu = relu

    def attend(self, output: CAMOutput, labels: Tensor | None = None) -> Tensor:
        """Maps of a pass that was made with gradient.

        One backward pass per label that the image with the most has, for the batch as a whole.

        Args:
            output: Of a network; the images must not interact in its head.
            labels: Classes to explain, multi-hot ``(N, C)``; None means all. Labels on a GPU are
                waited for, those on the CPU are not.

        Returns:
            ``(N, C, h, w)``, 0 for other classes, with gradient through the features.

        Raises:
            ValueError: The pass was made without gradient.
        """
        whole, start = output.origin or (output, 0)
        feats, logits = whole.feats[-1], output.logits
        if not (feats.requires_grad and logits.requires_grad):
            raise ValueError(
                'Grad-CAM needs a pass made with gradient; ask for it by views(..., grad=True)')
        if labels is None:
            labels = logits.new_ones(logits.shape, device='cpu')
        most = int(labels.sum(1).max())
        rank = labels.cumsum(1) * labels  # 1 for an image's first label, 2 for its second
        rank = rank.to(logits.device, non_blocking=True)
        feat = output.feats[-1].float()
        # The gradient of a mean over pixels is tiny in float16, that of the sum is not.
        area = feat.shape[-2] * feat.shape[-1]
        cam = 0
        for k in range(most):
            chosen = (rank == k + 1).to(logits)
            score = (logits * chosen).sum() * area
            grad, = torch.autograd.grad(score, feats, retain_graph=True)
            weight = grad[start:start + len(logits)].float().mean((-2, -1)) / area
            single = torch.einsum('nd,ndhw->nhw', weight, feat)
            cam = cam + chosen[:, :, None, None] * single[:, None]
        if not isinstance(cam, Tensor):  # no image has a label
            cam = feat.new_zeros(*logits.shape, *feat.shape[-2:])
        return F.relu(cam) if self.relu else cam

    def forward(self, model: nn.Module, images: Tensor) -> Tensor:
        """Maps of all classes for inference, whatever the gradient mode and the frozen weights.

        Args:
            model: A :class:`WSSSClassifier` or :class:`CAMNetwork`.
            images: Normalised, ``(N, 3, H, W)``.

        Returns:
            ``(N, C, h, w)`` without gradient.
        """
        with torch.no_grad():
            feats = model.features(images)
        with torch.inference_mode(False), torch.enable_grad():
            feats = tuple(feat.detach().clone().requires_grad_() for feat in feats)
            return self.attend(model.classify(feats, images)).detach()
