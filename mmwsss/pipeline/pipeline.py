"""From image labels to a segmentation model: stages in their order, skipped where done.

A method's config says it in a short block; everything in it is optional::

    pipeline = dict(
        baseline='configs/ktse/gpp_r38_voc.py',  # run beside it through the same stages
        prior='configs/irn/irn_r50_voc.py',      # its masks become the data set's prior_dir
        start='configs/irn/irn_r50_voc.py',      # trained first; the training goes on from it
        cam=dict(scales=(0.5, 1, 1.5, 2), flip=True, stride='auto', batch_size=1),
        affinity=dict(                           # a network that learns from confident labels
            config='configs/irn/irnet_r50_voc.py',
            labels=dict(type='IRLabel', fg=0.3, bg=0.1)),
        mask=dict(type='PARMask', bg='oracle'),  # a mask refiner; bg: a number, 'oracle' or
                                                 # 'held_out' (need ground truth), or 'auto'
        segment=dict(config='configs/deeplab/deeplabv2_r101_voc.py', cfg_options={}),
        metrics=[dict(type='MyMetric')],         # further metrics of the masks
        stages=dict(mine=dict(type='MyStage')),  # further stages, or None to leave one out
        report=dict(images=8))

Without ``segment`` the line ends at the masks. Relative paths are looked for from the working
folder and then from the folder above ``configs``.

Each stage is a class in ``pipeline/stages`` and a folder of the work dir; those of the baseline are
in ``baseline``, the report in ``report``. Scored are the images of ``val_dataloader`` and, if they
are others, of ``test_dataloader``, where they have ground truth; the masks' threshold is chosen on
the first of them. Without any ground truth all stages run and nothing is scored.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import print_log

from mmwsss.inference import read_config
from mmwsss.registry import STAGES

from .context import Context
from .fingerprint import plain
from .lock import lock
from .run_record import write_run
from .stage import Column, Stage, in_order
from .stages import LINE

# Blocks that belong to a classifier, whoever else runs beside it.
BEFORE_TRAINING = ('prior', 'start')
OTHER_BLOCKS = {'baseline', 'stages', 'report'}


class Pipeline:
    """All stages of one method.

    Args:
        config: Config of the method, or its file.
        work_dir: Folder of the stages.
        seed: Of the trainings.
        stages: Names of the stages to run (those of the baseline too); None is all of them.
        options: Replaces the config's ``pipeline`` block (the baseline takes that of the method).
        device: ``'cpu'`` or ``'cuda'``; default: a GPU if there is one.
        launch: Keys put into every training's config (``launcher`` ...).
        amp: Mixed precision in every training, see :func:`mmwsss.engine.use_amp`.
        store: Folder whose stages all pipelines share that name it: a stage with the same settings
            and inputs runs once. Its lock makes others wait.

    Raises:
        FileNotFoundError, ValueError: See :meth:`check`.
    """

    def __init__(self,
                 config: str | Path | Config,
                 work_dir: str | Path,
                 seed: int = 0,
                 stages: Sequence[str] | None = None,
                 options: dict | None = None,
                 device: str | None = None,
                 launch: dict | None = None,
                 amp: bool = False,
                 store: str | Path | None = None):
        self.context = context = Context(config, work_dir, seed, options, device, launch, amp,
                                         self._side, store)
        self.name = context.name
        entries = {name: plain(cfg) for name, cfg in {**LINE, **context.block('stages')}.items()
                   if cfg is not None}
        known = {name: STAGES.build(entry) for name, entry in entries.items()}
        for name, stage in known.items():
            _check_stage(f'{context.file}: pipeline.stages.{name}', stage)
        left_out = [STAGES.get(LINE[name]['type']) for name in LINE if name not in known]
        blocks = OTHER_BLOCKS.union(*(stage.blocks for stage in (*known.values(), *left_out)))
        unknown = sorted(set(context.options) - blocks)
        if unknown:
            raise ValueError(f'{context.file}: pipeline has no option {unknown}; it has '
                             f'{sorted(blocks)}')
        wrong = sorted(set(stages or ()) - set(known))
        if wrong:
            raise ValueError(f'no stage {wrong}; there are {list(known)}')
        self.wanted = set(known if stages is None else stages)
        used = {name: stage for name, stage in known.items() if stage.applies(context)}
        for stage in used.values():
            stage.prepare(context)
        self.stages: dict[str, Stage] = {}
        for name in in_order({name: stage.inputs for name, stage in used.items()}, set(known)):
            if entries[name] != LINE.get(name):
                used[name].entry = entries[name]
            self.stages[name] = used[name].bind(
                context, name, [self.stages[key] for key in used[name].inputs if key in used])
        self.baseline = None
        if context.options.get('baseline'):
            file, only = context.side_config('baseline')
            shared = {key: value for key, value in context.options.items()
                      if key not in (*BEFORE_TRAINING, 'baseline')}
            self.baseline = self._side(context.find(file), context.work_dir / 'baseline',
                                       {**shared, **only})
            self.baseline.wanted &= self.wanted
        self._share_start()

    def _side(self, config: str, folder: Path, options: dict,
              seed: int | None = None) -> 'Pipeline':
        """The pipeline of another config beside this one, of the same seed unless one is given.
        Its classifier is trained after that config's own ``prior`` and ``start``."""
        context, own = self.context, plain(read_config(config).get('pipeline') or {})
        own = {key: own[key] for key in BEFORE_TRAINING if own.get(key)}
        return Pipeline(config, folder, context.seed if seed is None else seed, None,
                        {**own, **options}, context.device, context.launch, context.amp,
                        context.store)

    def _share_start(self) -> None:
        """One first phase for this line and those beside it that begin with the same."""
        own, prior = self.stages.get('start'), self.stages.get('prior')
        for side in (self.baseline, prior and prior.pipeline):
            other = side and side.stages.get('start')
            if own and other:
                first, second = own.pipeline.context, other.pipeline.context
                if (first.file, first.seed) == (second.file, second.seed):
                    other.pipeline = own.pipeline

    @property
    def methods(self) -> list['Pipeline']:
        """Baseline, if any, and this method."""
        return [x for x in (self.baseline, self) if x is not None]

    @property
    def finished(self) -> list[Stage]:
        """The stages that are done."""
        return [stage for stage in self.stages.values() if stage.is_done]

    def check(self) -> None:
        """All that can be known before the training: files, labels, weights and options, by
        building the parts of every stage.

        Raises:
            FileNotFoundError, ValueError, TypeError, KeyError, ImportError: Names file or key.
        """
        context = self.context
        report = context.block('report')
        unknown = sorted(set(report) - {'images', 'pictures'})
        if unknown:
            raise ValueError(f'pipeline.report has no option {unknown}; it has ["images"]')
        for key, count in report.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise ValueError(f'pipeline.report.{key}={count!r} must be a number of images')
        for stage in self.stages.values():
            stage.check(context)
        if self.baseline is not None:
            self.baseline.check()
            other = self.baseline.context
            if other.classes != context.classes:
                raise ValueError(f'the baseline "{other.file}" has the classes {other.classes}, '
                                 f'this method {context.classes}')

    def run(self, check: bool = True, verify: bool = False, locked: bool = False) -> dict:
        """Run the wanted stages, those of prior and baseline included.

        Args:
            check: Call :meth:`check` before.
            verify: Compare the checksums of the files of finished stages; damaged files are made
                again.
            locked: The caller keeps other runs out of the work dir.

        Returns:
            See :meth:`results`.

        Raises:
            ValueError: Another run works in the work dir.
        """
        if check:
            self.check()
        with nullcontext() if locked or self.context.store else lock(self.context.work_dir):
            if is_main_process():
                write_run(self)
            stages = [stage for name, stage in self.stages.items() if name in self.wanted]
            for number, stage in enumerate(stages, 1):
                print_log(f'[{number}/{len(stages)}] {stage.name}', logger='current')
                stage.execute(verify)
            if self.baseline is not None:
                self.baseline.run(check=False, verify=verify, locked=True)
        return self.results()

    def needed(self, stages: Sequence[str]) -> list[str]:
        """Some stages and all that they use, in their order."""
        keep = {name for name in stages if name in self.stages}
        for stage in reversed(self.stages.values()):
            if stage.key in keep:
                keep |= {before.key for before in stage.before}
        return [name for name in self.stages if name in keep]

    def results(self) -> dict:
        """Records of the finished stages by name, and those of the baseline under ``baseline``."""
        records = {stage.key: stage.result for stage in self.finished}
        if self.baseline is not None:
            records['baseline'] = self.baseline.results()
        return records


def _check_stage(where: str, stage: Any) -> None:
    """What its class says of itself."""
    kind = type(stage)
    if not isinstance(stage, Stage):
        raise TypeError(f'{where}: {kind.__name__} is no child of Stage')
    for name, of in (('inputs', str), ('blocks', str), ('columns', Column)):
        value = getattr(kind, name)
        if not isinstance(value, property) and (isinstance(value, (str, Column)) or not all(
                isinstance(one, of) for one in value)):
            raise TypeError(f'{where}: {kind.__name__}.{name} = {value!r} must be a tuple of '
                            f'{of.__name__}, as {name} = (..., )')
