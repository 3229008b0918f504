from .backbones import *  # noqa: F401,F403
from .classifiers import *  # noqa: F401,F403
from .data_preprocessor import WSSSDataPreprocessor
from .heads import *  # noqa: F401,F403
from .modules import *  # noqa: F401,F403
from .refiners import *  # noqa: F401,F403
from .segmentors import *  # noqa: F401,F403

__all__ = ['WSSSDataPreprocessor']
