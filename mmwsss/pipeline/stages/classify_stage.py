"""The classifier is trained on image labels."""

from pathlib import Path
from typing import Any

from mmwsss.engine.checks import check_begins, check_classes, check_samples
from mmwsss.registry import DATASETS, STAGES

from ..fingerprint import list_digest
from ..stage import Stage
from ..training import check_training, last_checkpoint, train, training_settings
from .start_stage import StartStage


@STAGES.register_module()
class ClassifyStage(Stage):
    """``train_dataloader``, ``train_cfg`` ... of the config, by mmengine's Runner."""

    inputs = ('prior', 'start')

    def settings(self, context: Any) -> dict:
        settings = training_settings(context.cfg, context.seed)
        for key in ('test_cfg', 'val_cam'):  # of the CAMs, not of the training
            settings['config']['model'].pop(key, None)
        maps = ['saliency_path', 'prior_path']
        if any(stage.key == 'prior' for stage in self.before):  # makes them
            maps.remove('prior_path')
        return dict(settings, data=list_digest(context.train_set, maps))

    def check(self, context: Any) -> None:
        before = {stage.key for stage in self.before}
        model = check_training(context.cfg, context.file, 'start' in before)
        check_classes(model, context.train_set)
        if 'prior' not in before:  # else the prior masks are not there yet
            dataset = DATASETS.build(context.cfg.train_dataloader.dataset)
            length = context.cfg.train_cfg
            epochs = length.get('max_epochs') or 1
            late = check_begins(model, epochs, length.get('max_iters')) if (
                'max_epochs' in length) else ()
            check_samples(model, dataset, epochs, late)

    def run(self, context: Any, folder: Path) -> dict:
        launch = dict(context.launch)
        for stage in self.before:
            if isinstance(stage, StartStage):
                launch['load_from'] = str(stage.checkpoint)
        train(context.cfg, folder, context.seed, launch)
        return dict(checkpoint=last_checkpoint(folder).name)
