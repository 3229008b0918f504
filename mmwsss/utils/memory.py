"""How much memory a piece of work needs, and on what it runs."""

import os
import platform
import re
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

PROC = Path('/proc')
PACKAGES = ('torch', 'numpy', 'onedl-mmengine', 'mmengine', 'onedl-mmcv', 'mmcv',
            'onedl-mmsegmentation', 'mmsegmentation', 'onedl-mmpretrain', 'mmpretrain')


def _tree(pid: str) -> list[str]:
    """A process and all below it."""
    found = [pid]
    for path in (PROC / pid / 'task').glob('*/children'):
        for child in path.read_text().split():
            found += _tree(child)
    return found


def _resident(pid: str) -> int:
    """Memory of a process in KiB; what several processes share is divided among them."""
    for name, key in (('smaps_rollup', 'Pss'), ('status', 'VmRSS')):
        try:
            match = re.search(rf'^{key}:\s+(\d+) kB', (PROC / pid / name).read_text(), re.M)
        except OSError:  # ended, or not ours to read
            continue
        if match:
            return int(match[1])
    return 0


def resident_memory() -> float | None:
    """Resident memory of this process and its workers in MiB; None where there is no ``/proc``."""
    try:
        return sum(map(_resident, _tree(str(os.getpid())))) / 1024
    except OSError:  # also: a worker ended meanwhile
        size = _resident(str(os.getpid()))
        return size / 1024 if size else None


def gpu_memory() -> float | None:
    """Peak of what PyTorch held on the GPUs of this process in MiB since the peak was last reset;
    None without a GPU in use."""
    if not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return None
    return sum(torch.cuda.max_memory_allocated(i)
               for i in range(torch.cuda.device_count())) / 2**20


class PeakMemory:
    """Peak memory of the work within a ``with`` block.

    It is looked at every ``interval`` seconds, since mmengine's logger resets PyTorch's own peak,
    and Linux knows only that of the whole life of a process.

    Attributes:
        rss: Resident memory of the process and its workers in MiB, or None.
        gpu: Memory on the GPU in MiB, or None.
    """

    def __init__(self, interval: float = 1.):
        self.interval = interval
        self.rss: float | None = None
        self.gpu: float | None = None
        self._end = threading.Event()

    def __enter__(self) -> 'PeakMemory':
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.reset_peak_memory_stats()
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._end.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._end.wait(self.interval):
            self._look()

    def _look(self) -> None:
        for name, value in (('rss', resident_memory()), ('gpu', gpu_memory())):
            if value is not None:
                setattr(self, name, max(getattr(self, name) or 0, value))

    def record(self) -> dict[str, int]:
        """``rss`` and ``gpu`` in MiB, those that are known."""
        return {name: round(value) for name, value in (('rss', self.rss), ('gpu', self.gpu))
                if value is not None}


def machine() -> dict[str, str]:
    """Processor, GPU, memory, system, and versions of what computes; no names of host or user."""
    cpu = platform.processor() or platform.machine()
    memory = ''
    try:
        info = (PROC / 'cpuinfo').read_text()
        cpu = (re.search(r'^model name\s*:\s*(.+)$', info, re.M) or ['', cpu])[1]
        total = re.search(r'^MemTotal:\s+(\d+)', (PROC / 'meminfo').read_text(), re.M)
        memory = f', {int(total[1]) / 2**20:.0f} GiB' if total else ''
    except OSError:
        pass
    found = dict(cpu=f'{cpu}, {os.cpu_count()} cores{memory}')
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        found['gpu'] = ', '.join(names)
    found.update(system=platform.platform(terse=True), python=platform.python_version())
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if 'torch' in found:
        found['torch'] = torch.__version__  # with its local part, as +cu126
    return found
