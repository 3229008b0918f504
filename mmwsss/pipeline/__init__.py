from .masks import generate_masks
from .pipeline import STAGES, Pipeline
from .stage import Stage

__all__ = ['Pipeline', 'STAGES', 'Stage', 'generate_masks']
