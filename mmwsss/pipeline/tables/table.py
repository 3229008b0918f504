"""A table of a paper as an object: rows are configs, columns are figures of their stages."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from mmwsss.inference import read_config
from mmwsss.utils.cli import merge_options

from ..context import find_file
from ..fingerprint import digest, plain

DATA = ('voc', 'coco', 'shapes', 'voc6')
KINDS = ('table', 'figure')
ANALYSES = ('sweep', 'images', 'confusion')
OF_TABLE = {'title', 'paper', 'kind', 'source', 'note', 'data', 'columns', 'rows', 'analysis'}
OF_COLUMN = {'key', 'title', 'stage', 'split', 'metric', 'options'}
OF_ROW = {'name', 'options', 'published'}
OF_CONFIG = {'config', 'options', 'modules'}


class TableColumn(NamedTuple):
    """A figure: ``metric`` of the record of ``stage`` for ``split``. A metric ``mIoU@0.3`` of the
    stage ``cam`` is read from the curve over all thresholds, ``log:loss_cls`` is the last value
    that a training logged. ``options`` change the config of the rows for this column alone, by data
    set; they are None where the column is not measured."""

    key: str
    title: str
    stage: str
    split: str
    metric: str
    options: dict[str, dict | None]


class Row(NamedTuple):
    """A line: by data set its config file, options and modules; the published figures
    ``(value, std)`` by the key of a column, std None where the paper gives none."""

    name: str
    configs: dict[str, tuple[str, dict, Sequence[str] | None]]
    published: dict[str, tuple[float, float | None]]

    @property
    def slug(self) -> str:
        """Its name as that of a folder, made unique by a checksum."""
        words = ''.join(c if c.isalnum() or c in '.-' else ' ' for c in self.name).split()
        return f'{"_".join(words)[:40]}-{digest(self.name)[:4]}'


class Table:
    """A file of ``configs/tables``, checked.

    It holds ``title``, ``paper`` (folder of the method's configs), ``kind`` (``'table'`` or
    ``'figure'``), ``source`` (where the published figures are from), ``columns`` and ``rows``, and
    may hold ``note``, ``data`` (names of data sets of one's own beside :data:`DATA`) and
    ``analysis`` (of ``'sweep'``: curves over the threshold, ``'images'``: scores of each image,
    ``'confusion'``: classes that share images)::

        columns = [dict(key='seed', title='seed', stage='cam', split='train',
                        metric='mIoU@oracle'), ...]
        rows = [dict(name='baseline', voc='configs/ktse/gpp_r38_voc.py',
                     shapes=dict(config='configs/demo/gpp_shapes.py', options={}),
                     options={'model.head.drop': 0.}, published=dict(seed=54.2)), ...]

    ``options`` (dotted keys) hold for all data sets of a row, those beside a ``config`` for one,
    where ``modules`` may name the types of the config's modules that stay. ``options`` of a column
    are put on top, ``shapes={...}`` on one data set, ``shapes=None`` leaves the column out there.
    Names that begin with an underscore are the file's own. What several tables share is a
    ``_base_`` in ``configs/_base_/tables``.

    Args:
        file: The file.

    Raises:
        FileNotFoundError, KeyError, ValueError: Names the file, the row or column, and the fix.
    """

    def __init__(self, file: str | Path):
        if not Path(file).is_file():
            raise FileNotFoundError(f'no table "{file}"')
        cfg = plain(Config.fromfile(file))
        self.file, self.name = str(file), Path(file).stem
        self._read: dict[str, Config] = {}
        needed = OF_TABLE - {'note', 'data', 'analysis'}
        self._check({key: cfg[key] for key in cfg if not key.startswith('_')}, OF_TABLE, needed,
                    'the file')
        self.title, self.paper, self.kind = cfg['title'], cfg['paper'], cfg['kind']
        self.source, self.note = cfg['source'], cfg.get('note', '')
        self.analysis = tuple(cfg.get('analysis', ()))
        own = cfg.get('data', ())
        if isinstance(own, str):
            raise ValueError(f"{file}: data is a list of names, data=['{own}']")
        self.data = (*DATA, *own)
        if self.kind not in KINDS or set(self.analysis) - set(ANALYSES):
            raise ValueError(f'{file}: kind is one of {KINDS}, analysis some of {ANALYSES}')
        self.columns = [self._column(column) for column in cfg['columns']]
        self.rows = [self._row(row) for row in cfg['rows']]
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names) or not names:
            raise ValueError(f'{file}: rows need names, each one of its own; they are {names}')

    def _check(self, value: Mapping, known: set, needed: set, what: str) -> None:
        unknown, missing = sorted(set(value) - known), sorted(needed - set(value))
        if unknown or missing:
            raise KeyError(f'{self.file}: {what} has no {unknown or missing}'
                           if missing and not unknown else
                           f'{self.file}: {what} has unknown keys {unknown}; it has '
                           f'{sorted(known)}')

    def _column(self, cfg: dict) -> TableColumn:
        self._check(cfg, OF_COLUMN.union(self.data), OF_COLUMN - {'options'},
                    f'column {cfg.get("key")}')
        options = {data: None if cfg.get(data, {}) is None
                   else {**cfg.get('options', {}), **cfg.get(data, {})} for data in self.data}
        return TableColumn(*(cfg[key] for key in ('key', 'title', 'stage', 'split', 'metric')),
                           options)

    def _row(self, cfg: dict) -> Row:
        what = f'row "{cfg.get("name")}"'
        self._check(cfg, OF_ROW.union(self.data), {'name'}, what)
        configs = {}
        for data in self.data:
            if data in cfg:
                one = dict(config=cfg[data]) if isinstance(cfg[data], str) else cfg[data]
                self._check(one, OF_CONFIG, {'config'}, f'{what}, {data}')
                configs[data] = (one['config'],
                                 {**cfg.get('options', {}), **one.get('options', {})},
                                 one.get('modules'))
        published = {key: tuple(value) if isinstance(value, (list, tuple)) else (value, None)
                     for key, value in cfg.get('published', {}).items()}
        wrong = [key for key, value in published.items() if len(value) != 2 or not all(
            x is None or isinstance(x, (int, float)) for x in value)]
        if wrong:
            raise ValueError(f'{self.file}: {what} publishes {wrong} as {cfg["published"]}; a '
                             'figure is a number or (number, deviation)')
        unknown = set(published) - {column.key for column in self.columns}
        if unknown:
            raise KeyError(f'{self.file}: {what} publishes {sorted(unknown)}, which are no columns')
        return Row(cfg['name'], configs, published)

    def choose(self, rows: Sequence[str] | None) -> list[Row]:
        """Rows by name, or by number from 0; all for None.

        Raises:
            ValueError: There is none; names those there are.
        """
        chosen = []
        for key in rows if rows is not None else [row.name for row in self.rows]:
            found = [row for i, row in enumerate(self.rows) if key in (row.name, str(i))]
            if not found:
                known = [f'{i}: {row.name}' for i, row in enumerate(self.rows)]
                raise ValueError(f'{self.file} has no row "{key}"; it has {known}')
            chosen += found
        return chosen

    def config(self, row: Row, data: str, column: TableColumn | None = None,
               options: Mapping[str, Any] | None = None) -> Config:
        """The config of a row.

        Args:
            row: The row.
            data: Name of the data set.
            column: Whose options are put on top.
            options: Further options, as of ``--cfg-options``.

        Raises:
            KeyError: The row has no config for the data set, or no such module or option.
        """
        if data not in row.configs:
            raise KeyError(f'{self.file}: row "{row.name}" has no config for {data}')
        path, own, kept = row.configs[data]
        if path not in self._read:
            self._read[path] = read_config(find_file(path, self.file))
        cfg = copy.deepcopy(self._read[path])
        if kept is not None:
            modules = cfg.model.get('modules') or []
            missing = set(kept) - {module['type'] for module in modules}
            if missing:
                raise KeyError(f'{self.file}: row "{row.name}" keeps the modules '
                               f'{sorted(missing)}, which "{path}" does not have')
            cfg.model.modules = [m for m in modules if m['type'] in kept]
        for more in (own, column.options[data] if column else {}, options or {}):
            merge_options(cfg, more)
        cfg.setdefault('pipeline', {})
        cfg.pipeline.baseline = None  # it is a row
        return read_config(cfg)
