from .confident_labels import combine_confident, confident_labels
from .crf import CRF_PRESETS, DenseCRF, TorchCRF, crf_map, has_pydensecrf, make_crf
from .par import PAMR, PAR
from .random_walk import irn_affinity, propagate_irn, propagate_psa, psa_affinity, random_walk

__all__ = [
    'CRF_PRESETS', 'DenseCRF', 'PAMR', 'PAR', 'TorchCRF', 'combine_confident', 'confident_labels',
    'crf_map', 'has_pydensecrf', 'irn_affinity', 'make_crf', 'propagate_irn', 'propagate_psa',
    'psa_affinity', 'random_walk'
]
