"""A few of many."""

from collections.abc import Sequence


def spread(items: Sequence, count: int) -> list:
    """At most ``count`` of the items, evenly spread, each once."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
