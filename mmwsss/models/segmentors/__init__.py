from .deeplab_heads import DeepLabV1Head, DeepLabV2Head
from .msc_encoder_decoder import MSCEncoderDecoder

__all__ = ['DeepLabV1Head', 'DeepLabV2Head', 'MSCEncoderDecoder']
