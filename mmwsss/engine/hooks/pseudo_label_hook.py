"""CAM files and seeds of a data set, made while or after a classifier is trained."""

from pathlib import Path

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmwsss.datasets.splits import Split, build_image_dataset
from mmwsss.inference import cam_options, choose_threshold, generate_cams, score_cams, seed_mask
from mmwsss.registry import HOOKS
from mmwsss.structures.artifacts import (
    load_cam,
    write_class_names,
    write_mask,
)
from mmwsss.utils.model_wrapper import unwrap_model

from ..ranks import share_statistics


@HOOKS.register_module()
class PseudoLabelHook(Hook):
    """Write the multi-scale CAM of each image and, if asked for, its seed as a mask; where ground
    truth is at hand, log the seeds' scores.

    The files are ``<out_dir>/cams/<name>.npz`` and ``<out_dir>/seeds/<name>.png``. They are made by
    the function that the pipeline and the tools use (:func:`generate_cams`).

    Args:
        dataset: Config of the images; by default those of ``val_dataloader``.
        interval: Epochs between two times; None is once, after the training.
        threshold: Background threshold of the seeds; ``'oracle'`` or ``'held_out'`` takes the one
            that the scores choose; ``'auto'``, and those two where there is no ground truth, the
            one of :func:`choose_threshold`; None writes no seeds.
        cam: Options of :func:`generate_cams` (scales, flip, stride, batch_size ...) in place of the
            config's (:func:`cam_options`).
        score: Options of :class:`SeedMetric`; None: no scores.
        out_dir: Default: ``<work_dir>/pseudo_labels``.

    Raises:
        ValueError: An option is out of its range, or there are no images.
    """

    priority = 'LOW'

    def __init__(self,
                 dataset: dict | None = None,
                 interval: int | None = None,
                 threshold: None | float | str = None,
                 cam: dict | None = None,
                 score: dict | None = dict(),  # noqa: B006
                 out_dir: str | None = None):
        if interval is not None and interval < 1:
            raise ValueError(f'PseudoLabelHook: interval={interval} must be at least 1, or None')
        if isinstance(threshold, str):
            if threshold not in ('oracle', 'held_out', 'auto'):
                raise ValueError(f'PseudoLabelHook: threshold={threshold!r} must be a number, '
                                 "'oracle', 'held_out' or 'auto'")
            if score is None and threshold != 'auto':
                raise ValueError(f'PseudoLabelHook: threshold={threshold!r} needs score=dict(...)')
        self.dataset_cfg = dataset
        self.interval = interval
        self.threshold = threshold
        self.cam = dict(cam or {})
        self.score = score
        self.out_dir = out_dir

    def before_train(self, runner: Runner) -> None:
        """Build the data set now, so that a missing file stops the run before it begins."""
        cfg = self.dataset_cfg or (runner.cfg.get('val_dataloader') or {}).get('dataset')
        if cfg is None:
            raise ValueError('PseudoLabelHook has no images; give dataset=dict(...), or a '
                             'val_dataloader in the config')
        self.dataset = build_image_dataset(cfg)
        self.split = Split(self.dataset)
        self.options = cam_options(runner.cfg, **self.cam)

    def after_train_epoch(self, runner: Runner) -> None:
        if self.interval is not None and self.every_n_epochs(runner, self.interval):
            self.make(runner)

    def after_train(self, runner: Runner) -> None:
        if self.interval is None or runner.epoch % self.interval:
            self.make(runner)

    def make(self, runner: Runner) -> dict:
        """Make all files anew; returns the scores (main process)."""
        model = unwrap_model(runner.model)
        share_statistics(model)
        folder = Path(self.out_dir or Path(runner.work_dir) / 'pseudo_labels')
        generate_cams(model, self.dataset, folder / 'cams', **self.options, overwrite=True)
        metrics = {}
        if is_main_process():
            if self.score is not None and self.split.has_ground_truth:
                metrics = score_cams(self.split, folder / 'cams', **self.score)
                for key, value in metrics.items():
                    runner.message_hub.update_scalar(f'pseudo/{key}', value)
                runner.visualizer.add_scalars(
                    {f'pseudo/{key}': value for key, value in metrics.items()}, step=runner.epoch)
                runner.logger.info('pseudo labels: ' + '  '.join(
                    f'{key}: {value:.2f}' for key, value in metrics.items()))
            if self.threshold is not None:
                self._write_seeds(runner, folder, metrics)
        barrier()
        return metrics

    def _write_seeds(self, runner: Runner, folder: Path, metrics: dict) -> None:
        threshold = metrics.get(f'threshold@{self.threshold}', self.threshold)
        if isinstance(threshold, str):
            threshold = choose_threshold(folder / 'cams', self.split.names)
            runner.logger.info(f'seeds: background threshold {threshold:g}, chosen without ground '
                               'truth')
        palette = self.dataset.metainfo['palette']
        names = ('background', *self.dataset.metainfo['classes'])
        write_class_names(folder / 'seeds', names, palette)
        for name in self.split.names:
            seed = seed_mask(load_cam(folder / 'cams' / f'{name}.npz'), threshold)
            write_mask(folder / 'seeds' / f'{name}.png', seed, palette, names)
