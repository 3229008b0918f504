from .base import CAMOutput

__all__ = ['CAMOutput']
