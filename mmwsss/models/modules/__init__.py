from .acol import ErasedClassification
from .aeft import AdversarialErasingTriplet
from .base import WSSSModule
from .eader import AdversarialErasing
from .ktse import (MultiGranularityAlignment, SelfSupervisedRegularization,
                   SimulatedInterImageErasing)
from .rcm_mam import MultiScaleAttention, RegionalContrast

__all__ = [
    'AdversarialErasing', 'AdversarialErasingTriplet', 'ErasedClassification',
    'MultiGranularityAlignment', 'MultiScaleAttention', 'RegionalContrast',
    'SelfSupervisedRegularization', 'SimulatedInterImageErasing', 'WSSSModule'
]
