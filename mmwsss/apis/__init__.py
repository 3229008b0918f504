from .inference import CAMInferencer

__all__ = ['CAMInferencer']
