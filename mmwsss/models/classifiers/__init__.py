from .views import Progress, Views
from .wsss_classifier import CAMNetwork, WSSSClassifier

__all__ = ['CAMNetwork', 'Progress', 'Views', 'WSSSClassifier']
