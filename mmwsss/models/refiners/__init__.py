from .affinity_labels import AFFINITY_LABELS, AffinityScores, IRLabel
from .affinity_net import AffinityNet, IRNet, affinity_loss, displacement_loss
from .base import CAMRefiner
from .confident_labels import combine_confident, confident_labels
from .crf import CAMCRF, CRF_PRESETS, DenseCRF, TorchCRF, has_pydensecrf, make_crf
from .mask_refiners import (
    REFINERS,
    CRFMask,
    MaskRefiner,
    PARMask,
    ThresholdMask,
    with_background,
)
from .pairs import feature_affinity, pair_labels, pair_offsets, path_affinity
from .par import PAMR, PAR
from .random_walk import irn_affinity, propagate_irn, propagate_psa, psa_affinity, random_walk
from .walk_masks import IRNMask, PSAMask

__all__ = [
    'AFFINITY_LABELS', 'CAMCRF', 'CRF_PRESETS', 'REFINERS', 'AffinityNet', 'AffinityScores',
    'CAMRefiner', 'CRFMask', 'DenseCRF', 'IRLabel', 'IRNMask', 'IRNet', 'MaskRefiner', 'PAMR',
    'PAR', 'PARMask', 'PSAMask', 'ThresholdMask', 'TorchCRF', 'affinity_loss',
    'combine_confident', 'confident_labels', 'displacement_loss', 'feature_affinity',
    'has_pydensecrf', 'irn_affinity', 'make_crf', 'pair_labels', 'pair_offsets', 'path_affinity',
    'propagate_irn', 'propagate_psa', 'psa_affinity', 'random_walk', 'with_background'
]
