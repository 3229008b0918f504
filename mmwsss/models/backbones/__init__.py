from .mct_deit import MCTDeiT
from .resnet38d import ResNet38d
from .timm_backbone import TimmBackbone
from .vgg16_largefov import VGG16LargeFOV

__all__ = ['MCTDeiT', 'ResNet38d', 'TimmBackbone', 'VGG16LargeFOV']
