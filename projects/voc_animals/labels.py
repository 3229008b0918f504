"""The bound of KTSE's SSR: the ground truth as its labels."""

from torch import Tensor

from mmwsss.models.classifiers import Views
from mmwsss.models.modules import SelfSupervisedRegularization
from mmwsss.registry import MODELS


@MODELS.register_module()
class TrueLabels(SelfSupervisedRegularization):
    """The labels are the ground truth: the bound of whatever labels are made.

    Args:
        kwargs: See :class:`SelfSupervisedRegularization`.
    """

    fields = ('gt_sem_seg', )

    def pseudo_labels(self, views: Views) -> tuple[Tensor, None]:
        return views.field('gt_sem_seg'), None
