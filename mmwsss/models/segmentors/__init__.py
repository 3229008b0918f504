from .beco import BECOSegmentor
from .deeplab_heads import (
    ASPPPoolHead,
    DeepLabV1Head,
    DeepLabV2Head,
    DeepLabV3PlusHead,
    LargeFOVHead,
)
from .losses import BalancedCrossEntropyLoss
from .msc_encoder_decoder import MSCEncoderDecoder

__all__ = [
    'ASPPPoolHead', 'BECOSegmentor', 'BalancedCrossEntropyLoss', 'DeepLabV1Head', 'DeepLabV2Head',
    'DeepLabV3PlusHead', 'LargeFOVHead', 'MSCEncoderDecoder'
]
