"""What the children of a data set give by the methods that they override."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from .label_tables import refuse_multi_hot


def check_label_table(table: Any, owner: str) -> None:
    """Check what ``read_labels`` gives.

    Args:
        table: ``{name: classes}``, or None.
        owner: Name of the data set's class.

    Raises:
        ValueError: It is no dict, or holds zeros and ones in lists.
    """
    if table is None:
        return
    if not isinstance(table, Mapping):
        raise ValueError(f'{owner}.read_labels must give a dict {{name: classes}}, not '
                         f'{type(table).__name__}')
    refuse_multi_hot(table, f'{owner}.read_labels')


def check_records(records: Iterable[Mapping], owner: str, maps: Mapping[str, Sequence],
                  num_classes: int, test_mode: bool) -> None:
    """Check what ``load_data_list`` gives.

    Args:
        records: By image.
        owner: Name of the data set's class.
        maps: By the field of the record, the option that names a folder of maps, and others.
        num_classes: ``C``; ``labels`` are different indices below.
        test_mode: ``labels`` may be left out.

    Raises:
        ValueError: A record lacks a key, its labels are no such indices, or two have one name.
    """
    needed = dict(name='', img_path='')
    if not test_mode:
        needed['labels'] = ', of which "gt_label" is made'
    needed |= {field: f', since {option} is set' for field, (option, *_) in maps.items()}
    names: set[str] = set()
    for number, record in enumerate(records):
        where = f'record {number} of {owner}.load_data_list'
        for key in [key for key in needed if key not in record]:
            raise ValueError(f'{where} needs "{key}"{needed[key]}; it has {sorted(record)}')
        labels = record.get('labels', ())
        if not _are_indices(labels, num_classes):
            raise ValueError(f'{where}: labels={labels!r} must be different indices of classes, '
                             f'from 0 to {num_classes - 1}')
        if record['name'] in names:
            raise ValueError(f'{where} has the name "{record["name"]}" of another one; files are '
                             'called by it')
        names.add(record['name'])


def _are_indices(labels: Sequence, count: int) -> bool:
    return len(set(labels)) == len(labels) and all(
        isinstance(label, Integral) and 0 <= label < count for label in labels)
