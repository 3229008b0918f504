from . import html
from .draw import draw_grid, draw_mask, overlay_cam, overlay_mask

__all__ = ['draw_grid', 'draw_mask', 'html', 'overlay_cam', 'overlay_mask']
