"""What a run was: enough to open its folder again (``compare.open_run``)."""

from typing import Any

from mmwsss.structures.artifacts import write_record
from mmwsss.utils.io import sweep_temporaries

from .fingerprint import plain

RUN = 'run.json'


def write_run(pipeline: Any) -> None:
    """Write ``<work_dir>/run.json`` of a :class:`Pipeline`."""
    context = pipeline.context
    sweep_temporaries(context.work_dir, RUN)
    write_record(context.work_dir / RUN, dict(
        file=context.file, seed=context.seed, amp=context.amp, config=plain(context.cfg),
        store=None if context.store is None else str(context.store.resolve())))
