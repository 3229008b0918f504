from .cams import build_cam_dataset, generate_cams, load_model, score_cams, seed_mask
from .multi_scale import multi_scale_cam

__all__ = [
    'build_cam_dataset', 'generate_cams', 'load_model', 'multi_scale_cam', 'score_cams', 'seed_mask'
]
