from .confident_labels import combine_confident, confident_labels
from .par import PAMR, PAR
from .random_walk import irn_affinity, propagate_irn, propagate_psa, psa_affinity, random_walk

__all__ = [
    'PAMR', 'PAR', 'combine_confident', 'confident_labels', 'irn_affinity', 'propagate_irn',
    'propagate_psa', 'psa_affinity', 'random_walk'
]
