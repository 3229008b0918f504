from .multi_scale import multi_scale_cam

__all__ = ['multi_scale_cam']
