"""The trained classifier shows where it sees each class: CAM files, and seeds scored."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import is_main_process

from mmwsss.evaluation.seed import SWEEP
from mmwsss.inference import cam_options, generate_cams, load_model, score_cams, seed_mask
from mmwsss.inference.cam_options import file_options
from mmwsss.models.utils.cam import resize_cam
from mmwsss.registry import STAGES
from mmwsss.structures.artifacts import load_cam, read_record
from mmwsss.visualization import overlay_cam, overlay_mask

from ..context import Context
from ..fingerprint import list_digest
from ..stage import Chart, Column, Layers, Stage
from ..training import last_checkpoint


def make_cams(context: Context, checkpoint: str | Path, folder: str | Path, dataset: Any = None,
              overwrite: bool = False, **overrides: Any) -> list[dict]:
    """The CAM files of a config; what the stage and ``tools/make_cams.py`` do.

    Args:
        context: The method.
        checkpoint: Weights of its classifier.
        folder: Of the files.
        dataset: Whole images with labels; by default all of the method's.
        overwrite: Make all files again.
        overrides: Options in place of the config's, see :func:`cam_options`.

    Returns:
        The manifest.
    """
    model = load_model(context.cfg, checkpoint, context.device)
    dataset = context.images if dataset is None else dataset
    return generate_cams(model, dataset, folder, overwrite=overwrite,
                         **cam_options(context.cfg, **overrides))


@STAGES.register_module()
class CAMStage(Stage):
    """``<name>.npz`` of the training images and of all splits; ``seeds_<split>.json``.

    Its block ``pipeline.cam`` has the options of :func:`cam_options`. ``mIoU@oracle`` is at the
    best threshold of the split itself, ``mIoU@held_out`` at the threshold of a held-out part
    (:class:`SeedMetric`). Without any ground truth the record holds ``auto``, a threshold by a rule
    that needs none. A network that scores the background itself (SIPE) has ``mIoU@own`` beside
    them, its seeds without any threshold. With ``val_evaluator=dict(fixed=0.3)`` there is
    ``mIoU@fixed`` (EADER).

    Args:
        train: Also of the training images. Where nothing but scores of seeds and masks is wanted,
            ``pipeline.stages=dict(cam=dict(type='CAMStage', train=False), segment=None)``.
    """

    inputs = ('classify', )
    blocks = ('cam', )
    train = True
    _columns = (
        Column('seed', 'seed (oracle)'), Column('threshold', 'at', 2, False),
        Column('precision', 'precision'), Column('recall', 'recall'),
        Column('held_out', 'seed (held-out)'), Column('held_out_threshold', 'at', 2, False))

    def __init__(self, train: bool = True):
        self.train = train

    @property
    def columns(self) -> tuple[Column, ...]:
        known = {key for scores in self.result.values() for key in scores}
        more = (Column('own', 'seed (own)'), Column('fixed', 'seed (fixed)'))
        return (*self._columns, *(column for column in more if f'mIoU@{column.key}' in known))

    def settings(self, context: Context) -> dict:
        options = file_options(context.cam_options)
        settings = dict(options=options, data=list_digest(self.images(context)), sweep=SWEEP,
                        splits=[(split.name, split.names) for split in context.scored])
        if context.fixed_threshold is not None:
            settings['fixed'] = context.fixed_threshold
        return settings

    def check(self, context: Context) -> None:
        cam_options(context.cfg)
        if not self.train and not context.scored:
            raise ValueError(f'{context.file}: CAMStage(train=False) is for scores of seeds, and '
                             'no image of val_dataloader or test_dataloader has ground truth')

    def run(self, context: Context, folder: Path) -> dict:
        make_cams(context, last_checkpoint(self.before[0].folder), folder, self.images(context))
        if not is_main_process():
            return {}
        if not context.scored:
            return dict(auto=dict(threshold=context.auto_threshold(folder)))
        return {split.name: score_cams(split, folder, fixed=context.fixed_threshold,
                                       out_file=str(folder / f'seeds_{split.name}.json'))
                for split in context.scored}

    def figures(self, context: Context) -> dict[str, dict[str, float]]:
        keys = dict(seed='mIoU@oracle', threshold='threshold@oracle',
                    precision='mPrecision@oracle', recall='mRecall@oracle',
                    held_out='mIoU@held_out', held_out_threshold='threshold@held_out',
                    own='mIoU@own', fixed='mIoU@fixed')
        return {split: {key: scores.get(source) for key, source in keys.items()}
                for split, scores in self.result.items() if split != 'auto'}

    def shown_threshold(self, context: Context) -> float:
        """Where the report cuts the CAM: at the oracle threshold of the first split."""
        if not context.scored:
            return self.result['auto']['threshold']
        return self.result[context.scored[0].name]['threshold@oracle']

    def cells(self, context: Context, name: str, image: np.ndarray) -> list:
        file = load_cam(self.folder / f'{name}.npz')
        cells = [(f'CAM {context.classes[key]}', overlay_cam(image, one))
                 for key, one in zip(file.keys, resize_cam(file.cam, file.size).numpy())]
        threshold = self.shown_threshold(context)
        seed = seed_mask(file, threshold)
        caption = 'seed' if file.background is not None else f'seed at {threshold:.2f}'
        return [*cells, (caption, overlay_mask(image, seed, context.palette))]

    def layers(self, context: Context, name: str) -> Layers | None:
        cam, keys, *_ = load_cam(self.folder / f'{name}.npz')
        return Layers(keys, cam, self.shown_threshold(context)) if len(keys) else None

    def charts(self, context: Context) -> list[Chart]:
        if not context.scored:
            return []
        split = context.scored[0].name
        record = read_record(self.folder / f'seeds_{split}.json')
        curve, scores = record['curve'], record['per_class']
        kind = 'own' if 'own' in scores else 'oracle'
        title = 'own background' if kind == 'own' else 'oracle threshold'
        return [
            Chart(f'Seed mIoU by background threshold ({split})', 'curve',
                  (curve['thresholds'], curve['mIoU'])),
            Chart(f'Seed IoU per class ({split}, {title})', 'bars',
                  [scores[kind]['iou'][c] for c in ('background', *context.classes)])]
