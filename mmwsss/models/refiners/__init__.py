from .confident_labels import combine_confident, confident_labels
from .par import PAMR, PAR

__all__ = ['PAMR', 'PAR', 'combine_confident', 'confident_labels']
