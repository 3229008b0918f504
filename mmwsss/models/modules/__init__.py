from .acol import ErasedClassification
from .aeft import AdversarialErasingTriplet
from .base import WSSSModule
from .ktse import (MultiGranularityAlignment, SelfSupervisedRegularization,
                   SimulatedInterImageErasing)

__all__ = [
    'AdversarialErasingTriplet', 'ErasedClassification', 'MultiGranularityAlignment',
    'SelfSupervisedRegularization', 'SimulatedInterImageErasing', 'WSSSModule'
]
