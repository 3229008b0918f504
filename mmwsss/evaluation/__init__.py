from .confusion import (
    Scores,
    class_confusions,
    confusion_matrix,
    iou_from_confusion,
    mask_confusion,
    mask_iou,
    mean_scores,
    read_mask,  # noqa: F401
    scores_from_confusion,
)
from .image_label_metrics import ImageLabelAP, ImageLabelMetric
from .seed import (  # noqa: F401 - until the last importer has moved
    SeedCurve,
    evaluate_cams,
    load_cam,
    resize_cam,
    seed_confusion,
    seed_histogram,
    threshold_range,
)
from .seed_metric import SeedMetric

__all__ = [
    'ImageLabelAP', 'ImageLabelMetric', 'Scores', 'SeedCurve', 'SeedMetric', 'class_confusions',
    'confusion_matrix', 'evaluate_cams', 'iou_from_confusion', 'mask_confusion',
    'mask_iou', 'mean_scores', 'scores_from_confusion',
    'seed_confusion', 'seed_histogram', 'threshold_range'
]
