"""A piece of work with a folder that knows whether it was done."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.logging import print_log

from mmwsss.structures.artifacts import read_manifest, read_record, write_record
from mmwsss.utils.io import file_digest, remove
from mmwsss.utils.memory import PeakMemory, machine
from mmwsss.utils.progress import duration
from mmwsss.version import __version__

from .fingerprint import code_digests, digest, portable
from .lock import NAME as LOCK
from .lock import lock
from .training import logged_curves

DONE, BEGUN, FILES = 'done.json', 'stage.json', 'files.json'
TEMPORARY = re.compile(r'\..+\.[a-z0-9_]{8}')  # of atomic_write
LOGS = re.compile(r'\d{8}_\d{6}')  # folders of mmengine's Runner, by the time of its start


class Column(NamedTuple):
    """A column of the table of results: key of the figure, heading, digits, and whether the mean
    over several seeds is shown."""

    key: str
    title: str
    digits: int = 1
    repeated: bool = True


class Chart(NamedTuple):
    """A chart of the report: ``'curve'`` with x and y values, or ``'bars'`` with one value per
    class, the background first. Charts of one title, of several runs, become one; ``x`` and ``y``
    name the axes of a curve; ``y`` is a score, whose maximum is marked, or empty."""

    title: str
    kind: str
    values: Any
    x: str = 'background threshold'
    y: str = 'mIoU'


class Layers(NamedTuple):
    """Maps of one image that a slider of the report cuts: where the largest of ``maps`` ``(K, h,
    w)``, in [0, 1], is above the threshold, its class (``keys``, of ``0..C-1``) is shown. The
    slider begins at ``threshold``."""

    keys: Sequence[int]
    maps: np.ndarray
    threshold: float


class Stage:
    """Work whose result is a folder and a small record.

    A child is registered in ``STAGES`` and says what its result depends on (:meth:`settings`), what
    is wrong before anything runs (:meth:`check`), how the work is done (:meth:`run`), and what the
    report shows of it: its part of the table (``columns``, :meth:`figures`, :meth:`note`),
    :meth:`charts`, and of single images :meth:`cells`, :meth:`scores` and :meth:`layers`. All but
    :meth:`run` may be left out, and the report knows no stage by name. This class decides whether
    it must be done at all.

    The fingerprint is a checksum of the settings, of the stage's entry in the config, of the files
    of the user's own classes that these name, and of the fingerprints of its inputs. A stage
    with a ``done.json`` of the present fingerprint and all its files is not run again. If the
    fingerprint has changed, its folder is emptied first; if it was interrupted, the work resumes
    in the folder as it is.
    """

    #: Names of the stages whose results are used; those that a pipeline does not have are left out.
    inputs: tuple[str, ...] = ()
    #: Keys of the config's ``pipeline`` block that the stage reads.
    blocks: tuple[str, ...] = ()
    #: Columns of the table, filled by :meth:`figures`.
    columns: tuple[Column, ...] = ()

    #: Its entry in ``pipeline.stages``, where it is not that of the line.
    entry: Mapping = MappingProxyType({})
    context: Any = None
    before: Sequence['Stage'] = ()

    @property
    def train(self) -> bool:
        """Whether it has files of the training images beside those of the splits."""
        return all(stage.train for stage in self.before)

    def images(self, context: Any) -> Any:
        """The images that it has files of, if any."""
        return context.images if self.train else context.split_images

    def need_training_images(self, context: Any) -> None:
        """Raises:
            ValueError: A stage before has no files of the training images.
        """
        if not self.train:
            raise ValueError(
                f'{context.file}: the stage "{self.key}" learns from the training images, but a '
                'stage before it leaves them out (train=False in pipeline.stages); let it make '
                f'them, or set pipeline.stages.{self.key}=None')

    # -- what a child says -------------------------------------------------------------------------
    def applies(self, context: Any) -> bool:
        """Whether the config asks for the stage."""
        return True

    def prepare(self, context: Any) -> None:
        """Change the context (its config) before any stage is looked at."""

    def settings(self, context: Any) -> dict:
        """All that the result depends on beside the inputs, JSON-like."""
        return {}

    def check(self, context: Any) -> None:
        """Raise what can be known to be wrong before anything is trained."""

    def run(self, context: Any, folder: Path) -> dict:
        """Do the work; able to resume where a former call was interrupted.

        Args:
            context: The pipeline's :class:`Context`.
            folder: Where to leave the files; it exists.

        Returns:
            The record: scores and what later stages ask for, JSON-like.
        """
        raise TypeError(f'{type(self).__name__} lacks run(context, folder)')

    def figures(self, context: Any) -> dict[str, dict[str, float]]:
        """Figures of the finished stage by split: key of a column to value."""
        return {}

    def cells(self, context: Any, name: str, image: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """What the report shows of an image: captions and RGB images.

        Args:
            context: The pipeline's :class:`Context`.
            name: Id of the image.
            image: RGB uint8 ``(H, W, 3)``.
        """
        return []

    def scores(self, context: Any) -> dict[str, dict[str, float]]:
        """Scores of single images, in percent, higher is better: id of the image to title and
        value. The report sorts by them and shows the worst and best images of the last title."""
        return {}

    def layers(self, context: Any, name: str) -> Layers | None:
        """Maps of an image for a threshold slider."""
        return None

    def charts(self, context: Any) -> list[Chart]:
        """Charts of the report; by default the losses, mAP and mIoU of a training that left its
        log in the folder."""
        return [Chart(f'{self.key}: {key}', 'curve', values, x,
                      '' if 'loss' in key else key)
                for key, (x, values) in logged_curves(self.folder).items()]

    def note(self, context: Any) -> str:
        """A sentence below the table."""
        return ''

    def figures_by_split(self, context: Any) -> dict[str, dict[str, float]]:
        """:meth:`figures`, checked.

        Raises:
            ValueError: They are of another form, or of no column.
        """
        found, known = self.figures(context), [column.key for column in self.columns]
        if not isinstance(found, dict) or not all(
                isinstance(figures, dict)
                and {key for key, value in figures.items() if value is not None} <= set(known)
                for figures in found.values()):
            raise ValueError(f'{type(self).__name__}.figures must give by split a dict of its '
                             f'columns {known}; it gave {found!r}')
        return found

    # -- whether it is done ------------------------------------------------------------------------
    def bind(self, context: Any, name: str, before: Sequence['Stage'] = ()) -> 'Stage':
        """Say where the stage stands: its context, name and the stages it uses."""
        self.context, self.key, self.before = context, name, list(before)
        self.name = f'{context.name}/{name}'
        return self

    @cached_property
    def folder(self) -> Path:
        """Where its files are, see :meth:`Context.folder_of`."""
        return self.context.folder_of(self)

    @property
    def scored_folder(self) -> Path:
        """Where the masks are that it, or a stage after it, scores."""
        return self.folder

    @cached_property
    def fingerprint(self) -> str:
        """Checksum of all that the result depends on."""
        settings = portable(self.settings(self.context), self.context.root)
        own = [dict(self.entry), code_digests([settings, dict(self.entry)])]
        return digest([settings, [stage.fingerprint for stage in self.before],
                       *(value for value in own if value)])

    @property
    def _record(self) -> dict:
        done = _read(self.folder / DONE)
        return done if done.get('fingerprint') == self.fingerprint else {}

    @property
    def result(self) -> dict:
        """Record of the finished stage; empty if it is not finished."""
        return self._record.get('result', {})

    @property
    def seconds(self) -> float | None:
        """What the finished stage took."""
        return self._record.get('seconds')

    @property
    def memory(self) -> dict[str, float]:
        """Peak memory of the finished stage in MiB: ``rss`` of the main process and its workers,
        ``gpu``; a later call that went on after a cut-off counts alone."""
        return self._record.get('memory', {})

    @property
    def machine(self) -> dict[str, str]:
        """Where the finished stage ran, and with which versions."""
        return self._record.get('machine', {})

    @property
    def is_done(self) -> bool:
        return bool(self._record)

    def execute(self, verify: bool = False) -> dict:
        """Do the work unless it is done.

        Args:
            verify: Also compare the checksums of a finished stage's files; their number and sizes
                are compared in any case.

        Returns:
            The record.

        Raises:
            ValueError: The folder holds other things, or an input is not finished.
        """
        for stage in self.before:
            if not stage.is_done:
                raise ValueError(
                    f'stage "{self.name}" needs "{stage.name}", which is not done with the present '
                    'config; run that stage as well (--stages)')
        shared = self.context.store is not None
        with lock(self.folder, wait=True) if shared else nullcontext():
            return self._execute(verify)

    def _execute(self, verify: bool) -> dict:
        done = self.is_done
        if _agree(done and (not is_main_process() or self._is_whole(verify))):
            print_log(f'{self.name}: done before, skipped ({self.folder})', logger='current')
            return self.result
        if is_main_process():
            self._begin()
        barrier()
        begin = time.time()
        print_log(f'{self.name}: begins ({self.folder})', logger='current')
        with PeakMemory() as memory:
            result = self.run(self.context, self.folder)
            if not isinstance(result, dict):
                raise TypeError(f'{type(self).__name__}.run must return a dict for done.json, not '
                                f'{type(result).__name__}')
            barrier()
        if is_main_process():
            write_record(self.folder / FILES, _list_files(self.folder))
            write_record(self.folder / DONE, dict(
                fingerprint=self.fingerprint, seconds=round(time.time() - begin, 1),
                memory=memory.record(), machine=dict(machine(), mmwsss=__version__),
                result=result))
        barrier()
        print_log(f'{self.name}: done in {duration(time.time() - begin)}', logger='current')
        return self.result

    def _is_whole(self, verify: bool) -> bool:
        """Whether the files of the finished stage are as it left them; what is not is removed, so
        that running the stage again repairs it."""
        wrong = []
        for name, known in _read(self.folder / FILES).items():
            path = self.folder / name
            if '..' in path.parts or Path(name).is_absolute() or not isinstance(
                    known, list) or len(known) != 2:  # what is wrong is removed
                raise ValueError(f'"{self.folder / FILES}" is damaged; delete it and run again')
            size, checksum = known
            if not path.is_file() or path.stat().st_size != size or (
                    verify and file_digest(path) != checksum):
                wrong.append(name)
        if wrong:
            print_log(f'{self.name}: {len(wrong)} files are missing or damaged, e.g. "{wrong[0]}"; '
                      'they are made again', logger='current', level=30)
            remove(self.folder / DONE)
            for name in wrong:
                remove(self.folder / name)
        return not wrong

    def _begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.rglob('.*'):
            if TEMPORARY.fullmatch(path.name) and path.is_file():
                remove(path)
        begun, done = self.folder / BEGUN, self.folder / DONE
        if any(not path.name.startswith(LOCK) for path in self.folder.iterdir()):
            if not begun.is_file():
                raise ValueError(
                    f'"{self.folder}" holds files that no stage made; choose another --work-dir, '
                    'or move them away')
            try:
                before = _read(begun).get('fingerprint')
            except ValueError:  # damaged: whose files these are is not known
                before = None
            if before == self.fingerprint:
                print_log(f'{self.name}: was interrupted, resumes', logger='current')
                return
            print_log(f'{self.name}: its config or inputs have changed, made again',
                      logger='current')
            # What says "done" goes first, and the mark last, so that a removal that is cut off is
            # neither taken for a result nor left half done.
            remove(done)
            for path in self.folder.iterdir():
                if path != begun:
                    remove(path)
        write_record(begun, dict(fingerprint=self.fingerprint,
                                 settings=self.settings(self.context)))


def _read(path: Path) -> dict:
    """A record of the stage; empty where there is none."""
    record = read_record(path, {})
    if not isinstance(record, dict):
        raise ValueError(f'"{path}" is damaged (no record); delete it and run again')
    return record


def _agree(value: bool) -> bool:
    """The main process's view, so that ranks do not diverge."""
    values = [value]
    broadcast_object_list(values)
    return values[0]


def _list_files(folder: Path) -> dict[str, list]:
    """Size and checksum of each file that a stage left, logs aside."""
    try:
        known = {record['name']: record['sha256'] for record in read_manifest(folder)}
    except FileNotFoundError:
        known = {}
    files = {}
    for path in sorted(folder.rglob('*')):
        name = path.relative_to(folder)
        if (not path.is_file() or path.name in (DONE, BEGUN, FILES)
                or LOGS.fullmatch(name.parts[0]) and (folder / name.parts[0] / 'vis_data').is_dir()
                or path.suffix in ('.log', '.py') or path.name.startswith('.')):
            continue
        checksum = known.get(str(name.with_suffix(''))) if path.suffix in ('.npz', '.png') else None
        files[str(name)] = [path.stat().st_size, checksum or file_digest(path)]
    return files


def in_order(inputs: dict[str, Sequence[str]], known: set[str]) -> list[str]:
    """The stages, each after its inputs, else in the order given.

    Raises:
        ValueError: An input is no stage, or stages wait for each other.
    """
    for name, needed in inputs.items():
        wrong = sorted(set(needed) - known)
        if wrong:
            raise ValueError(f'stage "{name}" has the inputs {wrong}, which are no stages; there '
                             f'are {sorted(known)}')
    order: list[str] = []
    while len(order) < len(inputs):
        free = [name for name, needed in inputs.items() if name not in order
                and not (set(needed) & set(inputs)) - set(order)]
        if not free:
            raise ValueError(f'the stages {sorted(set(inputs) - set(order))} wait for each other')
        order.append(free[0])
    return order
