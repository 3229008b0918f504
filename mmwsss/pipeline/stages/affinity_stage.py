"""A second network learns which pixels belong together: its labels, and its training."""

from pathlib import Path
from typing import Any

from mmwsss.inference import generate_masks
from mmwsss.registry import MODELS, STAGES
from mmwsss.utils.option_types import check_option_types

from ..context import Context
from ..stage import Stage
from ..training import check_training, last_checkpoint, train, training_settings
from .mask_stage import num_workers


class _AffinityBlock(Stage):
    """``pipeline.affinity=dict(config=..., labels=dict(type='IRLabel', ...), cfg_options={})``."""

    blocks = ('affinity', )

    def applies(self, context: Context) -> bool:
        return bool(context.options.get('affinity'))


@STAGES.register_module()
class LabelsStage(_AffinityBlock):
    """Confident labels for the affinity network, from the CAMs of the training images."""

    inputs = ('cam', )

    def settings(self, context: Context) -> dict:
        return dict(options=context.block('affinity')['labels'])

    def check(self, context: Context) -> None:
        block = context.block('affinity')
        unknown = sorted(set(block) - {'config', 'labels', 'cfg_options'})
        if unknown or not {'config', 'labels'} <= set(block):
            raise ValueError(f'pipeline.affinity: it has config, labels and cfg_options; unknown '
                             f'{unknown}, given {sorted(block)}')
        context.check_background()
        check_option_types(block['labels'], 'pipeline.affinity.labels')
        MODELS.build(block['labels'])
        self.need_training_images(context)

    def run(self, context: Context, folder: Path) -> dict:
        report = generate_masks(context.train_set, self.before[0].folder, folder,
                                context.block('affinity')['labels'], num_workers(context))
        report.raise_if_failed(folder)
        return dict(images=len(context.train_set))


@STAGES.register_module()
class AffinityStage(_AffinityBlock):
    """Training of the affinity network."""

    inputs = ('labels', )

    def settings(self, context: Context) -> dict:
        return training_settings(context.affinity_config(), context.seed)

    def check(self, context: Context) -> None:
        check_training(context.affinity_config(), context.block('affinity')['config'],
                       block='affinity')

    def run(self, context: Context, folder: Path) -> dict[str, Any]:
        labels = self.before[0].folder.resolve()
        train(context.affinity_config(labels), folder, context.seed, context.launch)
        return dict(checkpoint=last_checkpoint(folder).name)
