"""mmseg's ResNet as DeepLab uses it: strict initial weights, and deeplab-pytorch's pooling."""

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import nn

from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import init_from_pretrained


@MMSEG_MODELS.register_module()
@MODELS.register_module()
class DeepLabResNet(ResNet):
    """``mmseg.ResNet`` whose ``init_cfg=dict(type='Pretrained', ...)`` must fit as a whole.

    torchvision's checkpoints load as they are (their classifier is left out), those of
    deeplab-pytorch after ``tools/model_converters/deeplabv2_to_mmwsss.py``.

    Args:
        ceil_mode: Whether the first pooling rounds sizes up, as in deeplab-pytorch.
        Others: as in mmseg.
    """

    def __init__(self, *args, ceil_mode: bool = False, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=ceil_mode)

    def init_weights(self) -> None:
        if not init_from_pretrained(self, ignore=(r'fc\.', )):
            super().init_weights()
