from mmwsss.models.utils.multi_scale import multi_scale_cam

from .cam_options import cam_options
from .cams import generate_cams, score_cams, seed_mask
from .masks import generate_masks, refiner_config
from .model import load_model, read_config
from .thresholds import DEFAULT_RULE, RULES, choose_threshold

__all__ = [
    'DEFAULT_RULE', 'RULES', 'cam_options', 'choose_threshold', 'generate_cams', 'generate_masks',
    'load_model', 'multi_scale_cam', 'read_config', 'refiner_config', 'score_cams', 'seed_mask'
]
