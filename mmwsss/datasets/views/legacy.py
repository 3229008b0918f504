"""Earlier names: what wrapped a data set is a view of it now."""

import copy
from collections.abc import Sequence

from torch.utils.data import Dataset

from mmwsss.registry import DATASETS

from .base import build_views

VIEW_OF = dict(PairedDataset='PairedView', CrossDomainDataset='CrossDomainView')


def unwrapped(config: dict) -> dict:
    """Config of a data set with ``views`` in place of the wrappers, whatever their order."""
    kind = getattr(config.get('type'), '__name__', config.get('type'))
    kind = str(kind).removeprefix('mmwsss.')
    if kind not in VIEW_OF:
        return dict(config)
    options = dict(config, type=VIEW_OF[kind])
    inner = unwrapped(options.pop('dataset'))
    return {**inner, 'views': [*inner.get('views', ()), options]}


def _with_view(dataset: dict | Dataset, view: dict) -> Dataset:
    if isinstance(dataset, dict):
        dataset = unwrapped(dataset)
        return DATASETS.build({**dataset, 'views': [*dataset.get('views', ()), view]})
    other = copy.copy(dataset)
    other.views = build_views([*map(copy.copy, dataset.views), view])
    other._fully_initialized = False  # so that files are checked and views set up
    other.full_init()
    return other


@DATASETS.register_module(name='PairedDataset')
def PairedDataset(dataset: dict | Dataset, begin: int = 0) -> Dataset:  # noqa: N802
    """``dataset`` (an :class:`ImageLabelDataset` or its config) with a :class:`PairedView`."""
    return _with_view(dataset, dict(type='PairedView', begin=begin))


@DATASETS.register_module(name='CrossDomainDataset')
def CrossDomainDataset(  # noqa: N802
        dataset: dict | Dataset, mix_pipeline: Sequence[dict] | None = None, **options) -> Dataset:
    """``dataset`` (an :class:`ImageLabelDataset` or its config) with a :class:`CrossDomainView`;
    ``options`` are those of the view."""
    return _with_view(dataset, dict(type='CrossDomainView', mix_pipeline=mix_pipeline, **options))
