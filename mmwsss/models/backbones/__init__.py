from .deeplab_resnet import DeepLabResNet
from .mct_deit import MCTDeiT
from .resnet38d import ResNet38d
from .timm_backbone import TimmBackbone
from .vgg16_largefov import VGG16LargeFOV
from .xception65 import Xception65

__all__ = [
    'DeepLabResNet', 'MCTDeiT', 'ResNet38d', 'TimmBackbone', 'VGG16LargeFOV', 'Xception65'
]
