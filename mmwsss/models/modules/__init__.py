from .base import WSSSModule

__all__ = ['WSSSModule']
