from .confusion import (
    Scores,
    class_confusions,
    confusion_matrix,
    image_scores,
    iou_from_confusion,
    mask_confusion,
    mask_iou,
    mean_scores,
    pair_rates,
    scores_from_confusion,
)
from .image_label_metrics import ImageLabelAP, ImageLabelMetric
from .seed import SeedCurve, seed_confusion, seed_histogram, threshold_range
from .seed_metric import SeedMetric

__all__ = [
    'ImageLabelAP', 'ImageLabelMetric', 'Scores', 'SeedCurve', 'SeedMetric', 'class_confusions',
    'confusion_matrix', 'image_scores', 'iou_from_confusion', 'mask_confusion', 'mask_iou',
    'mean_scores', 'pair_rates', 'scores_from_confusion', 'seed_confusion', 'seed_histogram',
    'threshold_range'
]
