"""CAMs become pseudo masks: background, refinement, argmax."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import broadcast_object_list, is_main_process

from mmwsss._compat import usable_cores
from mmwsss.evaluation import image_scores, mask_iou
from mmwsss.inference import generate_masks
from mmwsss.inference.mask_shares import describe, warnings
from mmwsss.inference.masks import MaskReport, scored_folder
from mmwsss.inference.refined import best_refined
from mmwsss.models.refiners import MaskRefiner
from mmwsss.registry import MODELS, STAGES
from mmwsss.structures.artifacts import read_mask
from mmwsss.utils.option_types import check_option_types
from mmwsss.visualization import overlay_mask

from ..context import Context
from ..fingerprint import file_digests
from ..runner_parts import check_component
from ..stage import Chart, Column, Stage
from ..training import last_checkpoint


def num_workers(context: Context) -> int:
    """Processes that refine."""
    return context.mask_options.get('num_workers', min(usable_cores(), 8))


def _choose_threshold(context: Context, cam_dir: str | Path, options: dict,
                      checkpoint: str | Path | None, scores: dict | None,
                      workers: int) -> tuple[Any, str]:
    """The background threshold and the rule that chose it; arguments of :func:`make_masks`."""
    threshold, rule = context.threshold(options.get('bg'), Path(cam_dir), scores)
    refiner = context.refiner(options, threshold, checkpoint)
    if options.get('bg') == 'oracle' and context.scored and refiner['type'] != 'ThresholdMask':
        threshold, curve = best_refined(refiner, threshold, context.scored[0], cam_dir,
                                        num_workers=workers)
        rule = f'{rule}, refined; mIoU of a sample {curve}'
    return threshold, rule


def make_masks(context: Context, cam_dir: str | Path, folder: str | Path, options: dict,
               checkpoint: str | Path | None = None, scores: dict | None = None,
               dataset: Any = None, workers: int | None = None) -> tuple[MaskReport, Any, str]:
    """The masks of a config; what the stage and ``tools/generate_masks.py`` do.

    Args:
        context: The method.
        cam_dir: Folder of the CAM files.
        folder: Of the masks.
        options: Config of the refiner, as :attr:`Context.mask_options`; its ``bg`` may be a rule.
            ``'oracle'`` is the best for the refined masks of a sample of the first split with
            ground truth (:func:`best_refined`), ``'oracle_seed'`` that of the seeds.
        checkpoint: Weights of its network, if it has one.
        scores: Scores of the seeds by split, if they are known.
        dataset: The images; by default all of the method's.
        workers: Processes.

    Returns:
        What was done, the background threshold, and the rule that chose it.
    """
    workers = num_workers(context) if workers is None else workers
    chosen = [_choose_threshold(context, cam_dir, options, checkpoint, scores, workers)
              if is_main_process() else None]
    broadcast_object_list(chosen)  # two processes might choose differently
    threshold, rule = chosen[0]
    refiner = context.refiner(options, threshold, checkpoint)
    report = generate_masks(
        context.images if dataset is None else dataset, cam_dir, folder, refiner, workers)
    return report, threshold, rule


@STAGES.register_module()
class MaskStage(Stage):
    """``<name>.png`` of all images that have a CAM: the training images and all splits.

    Its block ``pipeline.mask`` is the config of a mask refiner; ``bg`` may be a rule
    (:meth:`Context.threshold`). One threshold is used for all images.

    With ``keep``, the whole masks are in ``whole``, and all scores are of them
    (:attr:`scored_folder`).
    """

    inputs = ('cam', 'affinity')
    blocks = ('mask', )
    columns = (Column('mask', 'mask'), )

    def settings(self, context: Context) -> dict:
        return dict(options=context.mask_options, weights=file_digests(context.mask_options))

    def check(self, context: Context) -> None:
        context.check_background()
        options = context.mask_options
        bg = options.get('bg')
        refiner = context.refiner(options, 0.3 if isinstance(bg, str) and bg != 'own' else bg)
        check_option_types(refiner, 'pipeline.mask')
        workers = num_workers(context)
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
            raise TypeError(f'pipeline.mask.num_workers={workers!r} must be a number of processes')
        check_component(MODELS, refiner, 'pipeline.mask')
        if 'affinity' not in context.options or 'model' not in refiner or refiner.get(
                'checkpoint') is not None:
            MODELS.build(refiner)
        else:  # its network has no weights yet, so it is not built
            MaskRefiner(**{key: refiner[key] for key in (
                'bg', 'alpha', 'crf', 'keep', 'max_side') if key in refiner})

    @property
    def scored_folder(self) -> Path:
        return scored_folder(self.folder, self.context.mask_options.get('keep'))

    def run(self, context: Context, folder: Path) -> dict:
        cam, *affinity = self.before
        checkpoint = last_checkpoint(affinity[0].folder) if affinity else None
        report, threshold, rule = make_masks(context, cam.folder, folder, context.mask_options,
                                             checkpoint, cam.result, self.images(context))
        report.raise_if_failed(folder)
        if not is_main_process():
            return {}
        scores = {split.name: mask_iou(self.scored_folder, split) for split in context.scored}
        return dict(scores, threshold=threshold, rule=rule, shares=report.shares)

    def figures(self, context: Context) -> dict[str, dict[str, float]]:
        return {split.name: dict(mask=self.result[split.name]['mIoU'])
                for split in context.scored}

    def cells(self, context: Context, name: str, image: np.ndarray) -> list:
        mask = read_mask(self.folder / f'{name}.png')
        return [('pseudo mask', overlay_mask(image, mask, context.palette))]

    def scores(self, context: Context) -> dict[str, dict[str, float]]:
        return {name: {'mask IoU with background': values['IoU']} for split in context.scored
                for name, values in image_scores(self.scored_folder, split).items()}

    def charts(self, context: Context) -> list[Chart]:
        if not context.scored:
            return []
        split = context.scored[0].name
        return [Chart(f'Mask IoU per class ({split})', 'bars', self.result[split]['IoU'])]

    def note(self, context: Context) -> str:
        result, options = self.result, context.mask_options
        threshold, shares = result.get('threshold'), result.get('shares') or {}
        how = f' ({result["rule"]})' if result.get('rule') else ''
        if threshold is None:
            lines = [f'The masks use the background alpha {options.get("alpha")}.']
        elif threshold == 'own':
            lines = ["The masks use the network's own background."]
        else:
            lines = [f'The masks use one background for all images: {threshold}{how}.']
        if shares:
            found = warnings(shares, threshold, options['type'])
            lines += [f'{describe(shares).capitalize()}.', *(f'Warning: {x}.' for x in found)]
        return ' '.join(lines)
