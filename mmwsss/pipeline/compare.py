"""Several runs side by side: images of their stages, scores of each image, curves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.config import Config

from mmwsss import evaluation
from mmwsss.inference import seed_mask
from mmwsss.structures.artifacts import load_cam, read_mask, read_record
from mmwsss.utils import register_all_modules
from mmwsss.visualization import html

from .pipeline import Pipeline
from .report import ground_truth_cells, stage_cells
from .run_record import RUN


def open_run(folder: str | Path) -> Pipeline:
    """The :class:`Pipeline` that ran in a work dir, to look at its stages.

    Args:
        folder: The work dir, or the ``work_dirs/<name>`` that has it as ``pipeline``.

    Parts of one's own must be imported before, since nothing that the record names is.

    Raises:
        FileNotFoundError: No pipeline ran there.
    """
    for place in (Path(folder), Path(folder) / 'pipeline'):
        record = read_record(place / RUN, {})
        if record:
            break
    else:
        raise FileNotFoundError(f'no {RUN} in "{folder}": give the work dir of a pipeline '
                                '(tools/run_pipeline.py, or a row of tools/reproduce.py)')
    # The record is data, never code: neither its file nor its custom_imports are run.
    register_all_modules()
    cfg = Config({key: value for key, value in record['config'].items()
                  if key != 'custom_imports'}, filename=record['file'])
    return Pipeline(cfg, place, record['seed'], amp=record.get('amp', False),
                    store=record['store'])


def split_of(pipeline: Pipeline, name: str | None = None) -> Any:
    """A scored split by name; by default the first.

    Raises:
        ValueError: There is none.
    """
    for split in pipeline.context.scored:
        if name in (None, split.name):
            return split
    raise ValueError(f'{pipeline.name}: no split "{name or "with ground truth"}"; there are '
                     f'{[split.name for split in pipeline.context.scored]}')


def image_paths(pipeline: Pipeline, names: Iterable[str]) -> dict[str, str]:
    """Files of images.

    Raises:
        ValueError: The method has no such image.
    """
    images = pipeline.context.images
    infos = (images.get_data_info(i) for i in range(len(images)))
    known = {info['name']: info['img_path'] for info in infos}
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f'{pipeline.name} has no image "{missing[0]}"; it has e.g. '
                         f'{list(known)[:3]}')
    return {name: known[name] for name in names}


def compare_rows(runs: Mapping[str, Pipeline], images: Mapping[str, str]) -> list[list[tuple]]:
    """Rows of cells ``(caption, RGB)``: of each image a row for each run, with image, CAMs, masks
    and what else its stages show; the ground truth ends the first.

    Args:
        runs: Pipelines by the name to show.
        images: Files of the images by name.
    """
    rows = []
    for name, path in images.items():
        image = mmcv.imread(path, channel_order='rgb')
        for number, (title, pipeline) in enumerate(runs.items()):
            ends = [] if number else ground_truth_cells(pipeline, name, image)
            rows.append([(f'{name}: {title}', image), *stage_cells(pipeline, name, image), *ends])
    return rows


def compare_section(runs: Mapping[str, Pipeline], images: Mapping[str, str]) -> str:
    """:func:`compare_rows` as HTML."""
    context = next(iter(runs.values())).context
    return html.legend(('background', *context.classes), context.palette) + ''.join(
        html.figures(cells) for cells in compare_rows(runs, images))


def mask_reader(pipeline: Pipeline, what: str = 'mask') -> Callable[[str], np.ndarray]:
    """Gives the mask of an image, as it is scored, by its name.

    Args:
        pipeline: The run.
        what: ``'mask'``: the pseudo masks; ``'seed'``: the CAMs at the threshold that is best on
            the first split.

    Raises:
        ValueError: The stage is not done.
    """
    stage = pipeline.stages.get('mask' if what == 'mask' else 'cam')
    if stage is None or not stage.is_done:
        raise ValueError(f'{pipeline.name}: no finished stage makes a {what}')
    if what == 'mask':
        return lambda name: read_mask(stage.scored_folder / f'{name}.png')
    threshold = stage.shown_threshold(pipeline.context)
    return lambda name: seed_mask(load_cam(stage.folder / f'{name}.npz'), threshold)


def image_scores(pipeline: Pipeline, split: str | None = None,
                 what: str = 'mask') -> list[dict[str, Any]]:
    """IoU, precision and recall of each image, in percent: means over the foreground classes that
    its ground truth or its mask shows (:func:`mmwsss.evaluation.image_scores`); None where there
    are none.

    Args:
        pipeline: The run.
        split: Name of the split.
        what: See :func:`mask_reader`.
    """
    truth = split_of(pipeline, split)
    scores = evaluation.image_scores(mask_reader(pipeline, what), truth, background=False)
    none = dict.fromkeys(('IoU', 'precision', 'recall'))
    return [dict(image=name, **scores.get(name, none)) for name in truth.names]


def sweep(pipeline: Pipeline, split: str | None = None) -> dict[str, Sequence[float]]:
    """The curve over all thresholds that the seed record of a finished run holds: ``thresholds``,
    ``mIoU``, ``mPrecision``, ``mRecall``, ``FPR``, ``FNR``."""
    name = split_of(pipeline, split).name
    return read_record(Path(pipeline.stages['cam'].folder) / f'seeds_{name}.json')['curve']
