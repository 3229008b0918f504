from .context import Context
from .pipeline import Pipeline
from .stage import Chart, Column, Layers, Stage
from .stages import LINE, make_cams, make_masks

__all__ = [
    'Chart', 'Column', 'Context', 'LINE', 'Layers', 'Pipeline', 'Stage', 'make_cams', 'make_masks'
]
