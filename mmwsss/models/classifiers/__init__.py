from .grad_cam import GradCAM
from .views import Progress, Views
from .wsss_classifier import CAMNetwork, WSSSClassifier

__all__ = ['CAMNetwork', 'GradCAM', 'Progress', 'Views', 'WSSSClassifier']
