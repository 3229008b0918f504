"""Work spread over processes, in order and with bounded memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
from mmengine import dist
from torch.utils.data import DataLoader, Dataset

from .traces import describe

ALIKE = 20  # failures from the first item on that are one error, not one item


def is_first_of_node() -> bool:
    """Whether this process is the one of its machine that does what is done once a machine, since
    nodes may share no folder."""
    return int(os.environ.get('LOCAL_RANK', dist.get_rank())) == 0


class _Work(Dataset):

    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any]):
        self.function = function
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Any, str | None]:
        try:
            return self.function(self.items[index]), None
        except Exception as error:
            return None, describe(error)


def _single_threaded(_: int) -> None:
    cv2.setNumThreads(0)  # torch's own threads are one in a worker


def _same(x: Any) -> Any:
    return x


def ordered_map(function: Callable[[Any], Any],
                items: Sequence[Any],
                num_workers: int = 0) -> Iterator[tuple[Any, Any, str | None]]:
    """Apply a function to each item in a pool of single-threaded processes.

    A failed item does not stop the others, and at most two results per process are waiting. Where
    the first 20 all fail by the same error, the others are not tried.

    Args:
        function: Called in the workers; it must not use CUDA if there are any.
        items: What to call it with.
        num_workers: Processes; 0 works in this one.

    Yields:
        ``(item, result, error)`` in the order of ``items``; ``error`` is None or the message
        (:func:`~mmwsss.utils.traces.describe`), and then ``result`` is None.

    Raises:
        RuntimeError: A worker was killed (e.g. out of memory), or the first 20 failed alike.
    """
    loader = DataLoader(
        _Work(function, items), batch_size=None, num_workers=num_workers, collate_fn=_same,
        worker_init_fn=_single_threaded)
    alike = set()
    for number, (item, (result, error)) in enumerate(zip(items, loader), 1):
        yield item, result, error
        if number <= ALIKE:
            alike.add(error)
        if number == ALIKE < len(items) and len(alike) == 1 and error is not None:
            raise RuntimeError(f'the first {ALIKE} of {len(items)} all failed by the same error, '
                               f'so the others were not tried: {error}')
