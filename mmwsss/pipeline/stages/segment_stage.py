"""A segmentation model is trained on the pseudo masks and tested by mmseg."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import barrier, is_main_process

from mmwsss.datasets.pseudo_mask_dataset import PseudoMaskDataset
from mmwsss.datasets.splits import Split, inner_dataset
from mmwsss.datasets.supervised import use_ground_truth
from mmwsss.evaluation import image_scores, mask_iou
from mmwsss.registry import DATASETS, STAGES
from mmwsss.structures.artifacts import read_mask, write_class_names, write_mask
from mmwsss.utils import atomic_write
from mmwsss.utils.images import image_size
from mmwsss.visualization import overlay_mask

from ..context import Context
from ..fingerprint import list_digest, plain
from ..predictions import SavePredictions, predict_files
from ..stage import Chart, Column, Stage
from ..training import check_metrics, check_training, train, training_settings

LIST, PREDICTIONS, SHOWN = 'images.txt', 'predictions', 'shown'
TEST_KEYS = ('val_dataloader', 'test_dataloader', 'test_evaluator')


@STAGES.register_module()
class SegmentStage(Stage):
    """``pipeline.segment=dict(config='configs/deeplab/deeplabv2_r101_voc.py', cfg_options={})``:
    mmseg's training on the masks of the *training* images, then its test. Without ground truth
    nothing is tested; the report shows predictions in any case.

    Args:
        ground_truth: Train on ground truth in place of the masks (:func:`use_ground_truth`): the
            upper bound, ``pipeline.stages=dict(supervised=dict(type='SegmentStage',
            ground_truth=True))`` beside the stage ``segment``; ``run_pipeline.py --supervised``.
    """

    blocks = ('segment', )

    def __init__(self, ground_truth: bool = False):
        self.ground_truth = ground_truth
        self.inputs = () if ground_truth else ('mask', )
        self.figure_key = 'supervised' if ground_truth else 'segment'
        self.columns = (
            Column(self.figure_key, 'supervised' if ground_truth else 'segmentation'), )

    def applies(self, context: Context) -> bool:
        return bool(context.options.get('segment'))

    def config(self, context: Context, masks: str | Path = 'mask',
               folder: Path | None = None) -> Config:
        """The config, told where masks and list are; by default the names of the stages that make
        them, which name no place."""
        segment = context.block('segment')
        unknown = sorted(set(segment) - {'config', 'cfg_options'})
        if unknown or 'config' not in segment:
            raise ValueError(f'pipeline.segment has config and cfg_options; unknown {unknown}, '
                             f'given {sorted(segment)}')
        cfg = context.training_config(context.find(segment['config']), segment.get('cfg_options'))
        dataset = inner_dataset(cfg.train_dataloader.dataset)
        dataset['mask_dir'] = str(masks)
        dataset['ann_file'] = str((folder or Path(self.key)) / LIST)
        if self.ground_truth:
            use_ground_truth(cfg)
        if not context.scored:
            cfg.update({f'{kind}_{part}': None for kind in ('val', 'test')
                        for part in ('dataloader', 'cfg', 'evaluator')})
        return cfg

    def settings(self, context: Context) -> dict:
        return dict(training_settings(self.config(context), context.seed, *TEST_KEYS),
                    data=list_digest(context.train_set))

    def check(self, context: Context) -> None:
        self.need_training_images(context)
        cfg, name = self.config(context), context.block('segment')['config']
        needed = len(context.classes) + 1
        heads = cfg.model.get('decode_head') or []
        for head in heads if isinstance(heads, (list, tuple)) else [heads]:
            if head.num_classes != needed:
                raise ValueError(
                    f'segmentation config "{name}" has model.decode_head.num_classes='
                    f'{head.num_classes}; needed are {needed} (the background counts)')
        if cfg.get('test_dataloader'):
            classes = DATASETS.build(cfg.test_dataloader.dataset).metainfo['classes']
            if tuple(classes[1:]) != context.classes:
                raise ValueError(
                    f'segmentation config "{name}" tests the classes {classes}, '
                    f'the method has {context.classes}; set metainfo of its data sets')
        self._check_classes(context, cfg, name)
        model = check_training(cfg, name, block='segment')
        if self.ground_truth:
            self._check_ground_truth(context, cfg)
        else:
            self._check_data(context, cfg, model)

    def _check_classes(self, context: Context, cfg: Config, name: str) -> None:
        dataset = inner_dataset(cfg.train_dataloader.dataset)
        classes = tuple((dataset.get('metainfo') or {}).get('classes') or context.classes)
        if dataset.get('mask_classes') or classes != context.classes:
            built = DATASETS.build(dict(dataset, lazy_init=True))
            # Ids of ground truth may stand for more classes, the masks' are those of the pipeline.
            known = (built.metainfo['classes'][1:] if self.ground_truth else
                     built.mask_ids.all_classes)
            if tuple(known) != context.classes:
                raise ValueError(
                    f'segmentation config "{name}" trains on masks of the classes {tuple(known)}, '
                    f'but those of this pipeline have {context.classes}; set metainfo and leave '
                    'mask_classes out of train_dataloader.dataset')

    @staticmethod
    def _check_ground_truth(context: Context, cfg: Config) -> None:
        dataset = inner_dataset(cfg.train_dataloader.dataset)
        folder = Path(dataset.get('data_root') or '') / dataset.mask_dir
        suffix = dataset.get('mask_suffix', '.png')
        names = (context.train_set.get_data_info(i)['name']
                 for i in range(len(context.train_set)))
        missing = [name for name in names if not (folder / f'{name}{suffix}').is_file()]
        if missing:
            raise FileNotFoundError(
                f'the supervised upper bound needs the ground truth of all training images; '
                f'{len(missing)} have none in "{folder}", e.g. "{missing[0]}{suffix}"')

    @staticmethod
    def _check_data(context: Context, cfg: Config, model: Any) -> None:
        """One sample of the training, whose masks are not there yet, and one of the test with its
        metrics."""
        data = plain(cfg.train_dataloader.dataset)
        inner = inner_dataset(data)
        infos = [context.train_set.get_data_info(i) for i in range(len(context.train_set))]
        with TemporaryDirectory() as folder:
            inner.update(mask_dir=folder, ann_file=str(Path(folder) / LIST))
            Path(inner['ann_file']).write_text(f'{infos[0]["name"]}\n', encoding='utf-8')
            write_mask(Path(folder) / f'{infos[0]["name"]}{inner.get("mask_suffix", ".png")}',
                       np.zeros(image_size(infos[0]['img_path']), np.uint8))
            dataset = DATASETS.build(data)
            model.data_preprocessor(pseudo_collate([dataset[0]]), True)
        if isinstance(dataset, PseudoMaskDataset):
            for path in (dataset.image_path(info['name']) for info in infos):
                if not Path(path).is_file():
                    raise FileNotFoundError(f"the segmentation's training set has no image "
                                            f'"{path}"; check its data_root, img_dir and '
                                            'img_suffix')
        if cfg.get('test_dataloader'):
            check_metrics(DATASETS.build(cfg.test_dataloader.dataset), cfg.get('test_evaluator'))

    def run(self, context: Context, folder: Path) -> dict:
        if is_main_process():
            with atomic_write(folder / LIST) as file:
                file.writelines(f'{context.train_set.get_data_info(i)["name"]}\n'
                                for i in range(len(context.train_set)))
        barrier()
        masks = self.before[0].folder.resolve() if self.before else 'mask'
        cfg = self.config(context, masks, folder.resolve())
        runner = train(cfg, folder, context.seed, context.launch)
        scores, names = {}, ('background', *context.classes)
        if cfg.get('test_dataloader'):
            runner.register_hook(SavePredictions(folder / PREDICTIONS, context.palette, names))
            metrics = runner.test()
            if is_main_process():
                split = Split(runner.test_dataloader.dataset)
                scores = dict(mask_iou(folder / PREDICTIONS, split), split=split.name,
                              mmseg=metrics)
        if is_main_process():
            images = [(info['name'], info['img_path']) for info in context.shown()]
            predict_files(runner, cfg, images, folder / SHOWN, context.palette, names)
            for shown in filter(Path.is_dir, (folder / PREDICTIONS, folder / SHOWN)):
                write_class_names(shown, names, context.palette)
        return scores

    def figures(self, context: Context) -> dict[str, dict[str, float]]:
        result = self.result
        return {result['split']: {self.figure_key: result['mIoU']}} if 'split' in result else {}

    def cells(self, context: Context, name: str, image: np.ndarray) -> list:
        paths = [self.folder / folder / f'{name}.png' for folder in (PREDICTIONS, SHOWN)]
        return [(self.columns[0].title, overlay_mask(image, read_mask(path), context.palette))
                for path in paths if path.is_file()][:1]

    def scores(self, context: Context) -> dict[str, dict[str, float]]:
        folder, scores = self.folder / PREDICTIONS, {}
        for split in context.scored:  # the segmentation config may test others
            names = [name for name in split.names if (folder / f'{name}.png').is_file()]
            if names:
                scores.update(image_scores(folder, split, names))
        title = f'{self.columns[0].title} IoU with background'
        return {name: {title: values['IoU']} for name, values in scores.items()}

    def charts(self, context: Context) -> list[Chart]:
        result, training = self.result, super().charts(context)
        if 'split' not in result:
            return training
        title = f'{self.columns[0].title.capitalize()} IoU per class ({result["split"]})'
        return [*training, Chart(title, 'bars', result['IoU'])]
