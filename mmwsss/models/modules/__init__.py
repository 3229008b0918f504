from .acol import ErasedClassification
from .aeft import AdversarialErasingTriplet
from .base import WSSSModule
from .csd import CrossDomainDecoupling
from .eader import AdversarialErasing
from .eps import ExplicitPseudoPixelSupervision
from .fsae import FeatureSpatialActivationExpansion
from .ktse import (
    MultiGranularityAlignment,
    SelfSupervisedRegularization,
    SimulatedInterImageErasing,
)
from .ppc import PixelToPrototypeContrast
from .rcm_mam import MultiScaleAttention, RegionalContrast
from .seam import SelfSupervisedEquivariantAttention
from .sipe import ImageSpecificPrototypes

__all__ = [
    'AdversarialErasing', 'AdversarialErasingTriplet', 'CrossDomainDecoupling',
    'ErasedClassification', 'ExplicitPseudoPixelSupervision',
    'FeatureSpatialActivationExpansion', 'ImageSpecificPrototypes', 'MultiGranularityAlignment',
    'MultiScaleAttention', 'PixelToPrototypeContrast', 'RegionalContrast',
    'SelfSupervisedEquivariantAttention', 'SelfSupervisedRegularization',
    'SimulatedInterImageErasing', 'WSSSModule'
]
