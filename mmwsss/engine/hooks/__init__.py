from .checkpoint import WSSSCheckpointHook

__all__ = ['WSSSCheckpointHook']
