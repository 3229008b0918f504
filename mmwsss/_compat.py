"""What must be right before the first import of torch and mmengine: threads, packages, traps."""

import ctypes
import functools
import importlib.abc
import importlib.util
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

_library = None  # operators declared by mend_torchvision live as long as this


class _Package(NamedTuple):
    module: str
    distributions: tuple[str, ...]  # the first is the one to install
    minimum: str
    exclusive: bool = True  # two of the distributions overwrite each other's files


PACKAGES = (
    _Package('torch', ('torch', ), '2.6'),
    _Package('torchvision', ('torchvision', ), '0.21'),
    _Package('mmengine', ('onedl-mmengine', 'mmengine', 'mmengine-lite'), '0.10'),
    _Package('mmcv', ('onedl-mmcv', 'mmcv', 'mmcv-lite'), '2.0'),
    _Package('mmseg', ('onedl-mmsegmentation', 'mmsegmentation'), '1.2'),
    _Package('mmpretrain', ('onedl-mmpretrain', 'mmpretrain'), '1.2'),
    _Package('cv2', ('opencv-python', 'opencv-python-headless', 'opencv-contrib-python',
                     'opencv-contrib-python-headless'), '4.5', exclusive=False),
    _Package('scipy', ('scipy', ), '1.7'),
    _Package('PIL', ('Pillow', ), '9.0'),
)


def usable_cores() -> int:
    """Processor cores of this process: those it may run on, and no more than its container's share
    of processor time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    for files in (('/sys/fs/cgroup/cpu.max', ),
                  ('/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '/sys/fs/cgroup/cpu/cpu.cfs_period_us')):
        try:
            quota, period = ' '.join(Path(file).read_text() for file in files).split()
            if int(quota) > 0:
                cores = min(cores, -(-int(quota) // int(period)))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return max(cores or 1, 1)


def set_threads() -> None:
    """Threads that wait without spinning, and not more of them than cores.

    By default each thread of OpenMP spins at the end of every parallel region. On a machine that
    has other work, the one that all wait for is then the one without a core (4 to 6 times slower,
    ``tools/benchmarks/busy.py``). OpenMP reads these variables when torch is loaded, and what the
    user has set stays. Images of more than 2^28 pixels are refused by OpenCV.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
    if usable_cores() < (os.cpu_count() or 1):  # a share of time, which OpenMP does not see
        os.environ.setdefault('OMP_NUM_THREADS', str(usable_cores()))
    os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(1 << 28))


def keep_memory() -> None:
    """Let the C library keep freed memory for the next step instead of handing it back.

    A training step on a CPU asks for the same temporaries as the one before. glibc returns large
    ones to the system at once, which must map and clear their pages again: a tenth of the time of a
    small network's step. Blocks of up to 32 MiB now come from the heap, of which 256 MiB may lie
    free. Nothing happens without glibc, or where a ``MALLOC_...`` variable of the user decides.
    """
    if any(name.startswith('MALLOC_') for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None) if sys.platform == 'linux' else None
    if mallopt is not None:
        trim_threshold, mmap_threshold = -1, -3  # of malloc.h
        mallopt(mmap_threshold, 32 << 20)
        mallopt(trim_threshold, 256 << 20)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.match(r'[\d.]*', version)[0].split('.') if number)


def check_packages() -> None:
    """Say in one error which packages are missing, doubled or too old, and how to fix it.

    Raises:
        ImportError: There is such a package.
    """
    problems = []
    for package in PACKAGES:
        found = {name: version for name in package.distributions if (version := _version(name))}
        wanted = package.distributions[0]
        if not found:
            # A copy that is on the path without being installed has no version to check.
            if importlib.util.find_spec(package.module) is None:
                problems.append(f'{package.module} is missing: pip install '
                                f'"{wanted}>={package.minimum}"')
        elif len(found) > 1 and package.exclusive:
            problems.append(
                f'{package.module} is installed by {" and ".join(found)}, which overwrite each '
                f'other\'s files: pip uninstall -y {" ".join(found)} && pip install {wanted}')
        elif not any(_numbers(version) >= _numbers(package.minimum) for version in found.values()):
            name, version = next(iter(found.items()))
            problems.append(f'{name} {version} is too old: pip install -U '
                            f'"{wanted}>={package.minimum}"')
    if problems:
        raise ImportError('mmwsss cannot work with the installed packages:\n  ' +
                          '\n  '.join(problems) +
                          '\nThe tested set is in requirements/constraints.txt.')


def mend_torchvision() -> bool:
    """Let torchvision be imported although its compiled part does not fit this torch.

    That is so where torchvision comes from PyPI and torch is a CPU-only build. torchvision then
    fails at import, over two operators that it registers fake kernels for; declaring them is enough
    for everything that needs no compiled operator, and nothing here does.

    Returns:
        Whether there was something to fix.
    """
    global _library
    spec = importlib.util.find_spec('torchvision')
    if _library is not None or spec is None or spec.origin is None:
        return _library is not None
    import torch
    for compiled in Path(spec.origin).parent.glob('_C*.so'):
        try:
            torch.ops.load_library(str(compiled))
            return False
        except OSError:
            pass
    if hasattr(torch.ops.torchvision, 'nms'):
        return False
    _library = torch.library.Library('torchvision', 'FRAGMENT')
    for name in ('nms', 'qnms'):
        _library.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    logging.getLogger('mmwsss').info(
        "torchvision's compiled part does not fit this torch; its operators are left out")
    return True


class _BeforeTorchvision:
    """Import hook that calls :func:`mend_torchvision` before the first import of torchvision."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> None:
        if name == 'torchvision' and cls in sys.meta_path:
            sys.meta_path.remove(cls)
            mend_torchvision()


def watch_torchvision() -> None:
    """Fix torchvision when it is first imported, which needs torch, and so not before."""
    if 'torchvision' not in sys.modules and _BeforeTorchvision not in sys.meta_path:
        sys.meta_path.insert(0, _BeforeTorchvision)


def quiet_mmcv() -> None:
    """mmcv without compiled operators, which is all that is needed, warns at every import."""
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScale', UserWarning)


class _AtImport(importlib.abc.MetaPathFinder):
    """Calls a function with a module when it is imported, which may be never."""

    def __init__(self, name: str, change: Callable[[ModuleType], None]):
        self.name, self.change = name, change

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self.change(module)

        spec.loader.exec_module = exec_module
        return spec


def _at_import(name: str, change: Callable[[ModuleType], None]) -> None:
    """Change a module when it is imported, or now if it was."""
    if name in sys.modules:
        change(sys.modules[name])
    else:
        sys.meta_path.insert(0, _AtImport(name, change))


def _without_debug(logging_module: ModuleType) -> None:
    original = logging_module.print_log

    @functools.wraps(original)
    def print_log(msg, logger=None, level=logging.INFO):
        if logger is not None or level > logging.DEBUG:
            original(msg, logger, level)

    logging_module.print_log = print_log


def quiet_debug() -> None:
    """mmengine's ``print_log`` without a logger prints whatever the level; mmseg and mmpretrain
    tell so of a package of theirs that nothing here needs ("Could not import OneDL")."""
    _at_import('mmengine.logging', _without_debug)


def _remembering(yapf_api: ModuleType) -> None:
    original = yapf_api.FormatCode

    @functools.lru_cache(maxsize=16)
    def formatted(text, style):
        return original(text, style_config=dict(style))

    @functools.wraps(original)
    def format_code(text, *args, style_config=None, **kwargs):
        if args or kwargs or not isinstance(style_config, dict):
            return original(text, *args, style_config=style_config, **kwargs)
        return formatted(text, tuple(sorted(style_config.items())))

    yapf_api.FormatCode = format_code


def format_once() -> None:
    """mmengine formats the whole config by yapf for the log, the work dir and again for every
    checkpoint, a quarter of a second each time; the same text is now formatted once."""
    _at_import('yapf.yapflib.yapf_api', _remembering)


def _finding_ours(module: ModuleType) -> None:
    path_of_base = module.Config._get_cfg_path

    def get_cfg_path(path: str, file: str) -> tuple[str, str | None]:
        from .utils.shipped import find_base
        own = find_base(path, file)
        return path_of_base(path, file) if own is None else (own, None)

    module.Config._get_cfg_path = staticmethod(get_cfg_path)


def find_our_bases() -> None:
    """mmengine finds ``_base_ = 'mmseg::...'`` in an installed package only; ``mmwsss::...`` is
    found in a checkout, too. It needs no scope, for ours is the default."""
    _at_import('mmengine.config.config', _finding_ours)
