"""Mends of the environment that must come before the first import of mmengine."""

import importlib.util
from pathlib import Path
from typing import Optional

import torch

_library: Optional[torch.library.Library] = None


def mend_torchvision() -> bool:
    """Let torchvision be imported although its compiled part does not fit this torch.

    That is so where torchvision comes from PyPI and torch is a CPU-only build. torchvision then
    fails at import, over two operators that it registers fake kernels for; declaring them is enough
    for everything that needs no compiled operator, and nothing here does.

    Returns:
        Whether there was something to mend.
    """
    global _library
    spec = importlib.util.find_spec('torchvision')
    if _library is not None or spec is None or spec.origin is None:
        return _library is not None
    for compiled in Path(spec.origin).parent.glob('_C*.so'):
        try:
            torch.ops.load_library(str(compiled))
            return False
        except OSError:
            pass
    if hasattr(torch.ops.torchvision, 'nms'):
        return False
    # Kept: the operators live as long as this object.
    _library = torch.library.Library('torchvision', 'FRAGMENT')
    for name in ('nms', 'qnms'):
        _library.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    return True
