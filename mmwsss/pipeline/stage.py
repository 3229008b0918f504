"""A piece of work with a folder that knows whether it was done."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.logging import print_log

from mmwsss.utils import atomic_write
from mmwsss.utils.progress import duration


def digest(value: Any) -> str:
    """Short checksum of a JSON-like value; the order of keys does not count."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_json(path: Path) -> dict:
    """The record in a file that :func:`atomic_write` made; empty if there is none.

    Raises:
        ValueError: The file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'"{path}" is damaged ({error}); delete it and run again') from error


def jsonable(value: Any) -> Any:
    """The value with plain numbers; nan, which JSON does not know, becomes None."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, 'item'):
        value = value.item()
    return None if isinstance(value, float) and value != value else value


class Stage:
    """Work whose result is a folder and a small record.

    The fingerprint is a checksum of the settings and of the fingerprints of its inputs. A stage
    with a ``done.json`` of the present fingerprint is not run again. If the fingerprint has
    changed, its folder is emptied first; if it was cut off, the work goes on in the folder as it
    is.

    Args:
        name: For the log.
        folder: Where the work leaves its files.
        settings: All that the result depends on beside the inputs, JSON-like.
        inputs: Stages whose results are used.
        work: Called with the folder; returns the record. It must be able to go on where a former
            call was cut off.
    """

    def __init__(self, name: str, folder: Path, settings: dict, inputs: Sequence['Stage'],
                 work: Callable[[Path], dict]):
        self.name = name
        self.folder = Path(folder)
        self.settings = settings
        self.inputs = list(inputs)
        self.work = work

    @property
    def fingerprint(self) -> str:
        """Checksum of all that the result depends on."""
        return digest([self.settings, [stage.fingerprint for stage in self.inputs]])

    @property
    def result(self) -> dict:
        """Record of the finished stage; empty if it is not finished."""
        done = read_json(self.folder / 'done.json')
        return done.get('result', {}) if done.get('fingerprint') == self.fingerprint else {}

    @property
    def is_done(self) -> bool:
        return read_json(self.folder / 'done.json').get('fingerprint') == self.fingerprint

    def run(self) -> dict:
        """Do the work unless it is done.

        Returns:
            The record.

        Raises:
            ValueError: The folder holds other things, or an input is not finished.
        """
        for stage in self.inputs:
            if not stage.is_done:
                raise ValueError(
                    f'stage "{self.name}" needs "{stage.name}", which is not done with the present '
                    'config; run that stage as well (--stages)')
        if self._agree(self.is_done):
            print_log(f'{self.name}: done before, skipped ({self.folder})', logger='current')
            return self.result
        if is_main_process():
            self._prepare()
        barrier()
        begin = time.time()
        print_log(f'{self.name}: begins ({self.folder})', logger='current')
        result = self.work(self.folder)
        barrier()
        if is_main_process():
            record = dict(fingerprint=self.fingerprint, seconds=round(time.time() - begin, 1),
                          result=result)
            with atomic_write(self.folder / 'done.json') as file:
                json.dump(jsonable(record), file, indent=1)
        barrier()
        print_log(f'{self.name}: done in {duration(time.time() - begin)}', logger='current')
        return self.result

    @staticmethod
    def _agree(value: bool) -> bool:
        """The main process's view, lest ranks part ways."""
        values = [value]
        broadcast_object_list(values)
        return values[0]

    def _prepare(self) -> None:
        begun = self.folder / 'stage.json'
        if self.folder.is_dir() and any(self.folder.iterdir()):
            if not begun.is_file():
                raise ValueError(
                    f'"{self.folder}" holds files that no stage made; choose another --work-dir, '
                    'or move them away')
            if read_json(begun).get('fingerprint') == self.fingerprint:
                print_log(f'{self.name}: was cut off, goes on', logger='current')
                return
            print_log(f'{self.name}: its config or inputs have changed, made again',
                      logger='current')
            # The mark goes last, so that a cut-off removal is gone on with.
            for path in self.folder.iterdir():
                if path != begun:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        with atomic_write(begun) as file:
            json.dump(dict(fingerprint=self.fingerprint, settings=self.settings), file, indent=1,
                      default=str)
