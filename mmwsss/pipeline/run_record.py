"""What a run was: enough to open its folder again, without the command that made it."""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmwsss.structures.artifacts import read_record, write_record

RUN = 'run.json'


def write_run(pipeline: Any) -> None:
    """Write ``<work_dir>/run.json`` of a :class:`Pipeline`."""
    context = pipeline.context
    write_record(context.work_dir / RUN, dict(
        file=context.file, seed=context.seed, config=context.cfg.pretty_text,
        store=None if context.store is None else str(context.store.resolve())))


def open_run(folder: str | Path) -> Any:
    """The :class:`Pipeline` that ran in a work dir, to look at its stages.

    Args:
        folder: The work dir, or the ``work_dirs/<name>`` that has it as ``pipeline``.

    Raises:
        FileNotFoundError: No pipeline ran there.
    """
    from .pipeline import Pipeline
    for place in (Path(folder), Path(folder) / 'pipeline'):
        record = read_record(place / RUN, {})
        if record:
            break
    else:
        raise FileNotFoundError(f'no {RUN} in "{folder}": give the work dir of a pipeline '
                                '(tools/run_pipeline.py, or a row of tools/reproduce.py)')
    text = record['config']
    cfg = Config(Config.fromstring(text, '.py').to_dict(), text, record['file'])
    return Pipeline(cfg, place, record['seed'], store=record['store'])
