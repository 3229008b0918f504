"""What better labels would gain: KTSE's SSR by labels that do not follow the CAM it teaches."""

import torch
from torch import Tensor

from mmwsss.models.classifiers import Views
from mmwsss.models.modules import SelfSupervisedRegularization
from mmwsss.registry import MODELS


@MODELS.register_module()
class FirstPhaseLabels(SelfSupervisedRegularization):
    """The labels are made of the teacher's CAM; with a momentum near 1 that is the first phase's.

    Args:
        kwargs: See :class:`SelfSupervisedRegularization`.
    """

    @torch.no_grad()
    def pseudo_labels(self, views: Views) -> tuple[Tensor, None]:
        cam = views('image', 'teacher', grad=False).cam
        return self.confident(cam, views.cpu_labels(), views.image()), None


@MODELS.register_module()
class TrueLabels(SelfSupervisedRegularization):
    """The labels are the ground truth: the bound of whatever labels are made.

    Args:
        kwargs: See :class:`SelfSupervisedRegularization`.
    """

    fields = ('gt_sem_seg', )

    def pseudo_labels(self, views: Views) -> tuple[Tensor, None]:
        return views.field('gt_sem_seg'), None
