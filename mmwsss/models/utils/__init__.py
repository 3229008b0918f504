from .cam import background_score, cam_to_seed, normalize_cam, resize_cam

__all__ = ['background_score', 'cam_to_seed', 'normalize_cam', 'resize_cam']
