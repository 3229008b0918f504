"""The training loop: epochs or iterations, alternating optimizers, an EMA teacher, exact resume."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.optim import OptimWrapperDict
from mmengine.runner import BaseLoop
from torch import nn
from torch.utils.data import DataLoader

from mmwsss.models.classifiers import Progress
from mmwsss.registry import LOOPS
from mmwsss.utils.model_wrapper import unwrap_model
from mmwsss.utils.parallel import is_first_of_node

from .batches import Batches
from .checks import (
    check_begins,
    check_classes,
    check_files,
    check_frozen,
    check_samples,
    check_unused,
)
from .ema import EMA
from .ranks import share_statistics


@LOOPS.register_module()
class WSSSTrainLoop(BaseLoop):
    """Train by epochs or by iterations.

    Everything that decides a step is a function of the seed and the iteration number: the order and
    augmentation of the images, the phase, the batch size and the random numbers of the networks.
    So a checkpoint needs no random state, and a run that was killed and resumed at any step equals
    one that never was. That holds for mmseg's data sets and transforms as well: see
    :class:`Batches`.

    Args:
        runner: The runner.
        dataloader: Config of the data loader (or a loader, if ``batch_size`` is not given).
        max_epochs: Length in epochs; or
        max_iters: length in iterations.
        batch_size: ``[(epoch, batch size per rank), ...]`` where it changes; KTSE:
            ``[(0, 8), (10, 16)]``.
        phases: Alternation between the optimizers of an ``OptimWrapperDict``, e.g.
            ``[dict(optim='localizer', steps=200), dict(optim='adversary', steps=200)]``, or with
            ``epochs=`` in place of ``steps=``. A network that is not optimized in a phase costs no
            gradient memory or time beyond what the other's loss needs.
        ema: Arguments of :class:`EMA`; the model needs ``teacher=True``.
        val_begin: First epoch (or iteration) after which to validate; None for no validation.
        val_interval: Epochs (or iterations) between validations; None for the end only.
    """

    def __init__(self,
                 runner,
                 dataloader: DataLoader | dict,
                 max_epochs: int | None = None,
                 max_iters: int | None = None,
                 batch_size: Sequence[tuple[int, int]] | None = None,
                 phases: Sequence[dict] | None = None,
                 ema: dict | None = None,
                 val_begin: int | None = 1,
                 val_interval: int | None = 1):
        if (max_epochs is None) == (max_iters is None):
            raise ValueError('train_cfg: give either max_epochs or max_iters')
        for key, length in (('max_epochs', max_epochs), ('max_iters', max_iters)):
            if length is not None and length < 1:
                raise ValueError(f'train_cfg.{key}={length} must be at least 1')
        self.batches = Batches(runner, dataloader, batch_size)
        super().__init__(runner, self.batches.loader(0))
        self.by_epoch = max_epochs is not None
        self._max_epochs = max_epochs
        self._max_iters = max_iters
        if self.by_epoch:
            self._max_iters = self.batches.first_iter(max_epochs)
        else:
            self._max_epochs = self.batches.locate(max(max_iters - 1, 0))[0] + 1
        self._epoch = 0
        self._iter = 0
        self._phases = [dict(phase) for phase in phases or ()]
        self._phase: str | None = None
        self._check_phases()
        self.ema = None if ema is None else EMA(**ema)
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False  # set by EarlyStoppingHook
        runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)

    # -- what mmengine asks ------------------------------------------------------------------------
    @property
    def max_epochs(self) -> int:
        return self._max_epochs

    @property
    def max_iters(self) -> int:
        return self._max_iters

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def iter(self) -> int:
        return self._iter

    # -- phases ------------------------------------------------------------------------------------
    def _check_phases(self) -> None:
        for phase in self._phases:
            if 'optim' not in phase or ('steps' in phase) == ('epochs' in phase):
                raise ValueError(
                    f'train_cfg.phases: {phase} must be dict(optim=NAME, steps=N) or '
                    'dict(optim=NAME, epochs=N)')
        units = {'steps' if 'steps' in phase else 'epochs' for phase in self._phases}
        if len(units) > 1:
            raise ValueError('train_cfg.phases: give all lengths in steps, or all in epochs')
        self._phase_unit = units.pop() if units else 'steps'
        for phase in self._phases:
            if phase[self._phase_unit] < 1:
                raise ValueError(f'train_cfg.phases: {phase} must last at least 1')

    def _check_optimizers(self) -> None:
        wrapper = self.runner.optim_wrapper
        several = isinstance(wrapper, OptimWrapperDict)
        names = list(wrapper.keys()) if several else []
        used = [phase['optim'] for phase in self._phases]
        if several and not used:
            raise ValueError(
                f'optim_wrapper has several optimizers {names}; say in train_cfg.phases when each '
                'of them steps')
        if used and not several:
            raise ValueError(
                f'train_cfg.phases names {used}, but optim_wrapper is a single optimizer; use '
                "constructor='MultiOptimWrapperConstructor' with one entry per phase")
        for name in used:
            if name not in names:
                raise ValueError(f'train_cfg.phases: no optimizer "{name}"; there are {names}')
        for name in names:
            if name not in used:
                raise ValueError(f'optimizer "{name}" has no phase in train_cfg.phases')
        self._parameters: dict[str, list[nn.Parameter]] = {}
        for name in names:
            # Optimizers hold frozen parameters too; those stay frozen in every phase.
            groups = wrapper[name].param_groups
            self._parameters[name] = [
                p for group in groups for p in group['params'] if p.requires_grad]
            if not self._parameters[name]:
                raise ValueError(f'phase "{name}": its optimizer has no parameters to train')
        if names and not getattr(self.runner.model, 'find_unused_parameters', True):
            raise ValueError(
                'train_cfg.phases on several processes: set find_unused_parameters=True in the '
                'config, since each phase leaves the parameters of the others without gradient')
        self._count_steps(wrapper, names)

    def _count_steps(self, wrapper, names: Sequence[str]) -> None:
        """Tell each optimizer which of its own steps this is, for gradient accumulation; mmengine
        does it only for a single one."""
        if not names:
            return
        order = [self.phase_at(iteration) for iteration in range(self._max_iters)]
        for name in names:
            wrapper[name].initialize_count_status(
                self._model, order[:self._iter].count(name), order.count(name))

    def phase_at(self, iteration: int) -> str | None:
        """Name of the optimizer that steps at an iteration; None with a single optimizer."""
        if not self._phases:
            return None
        now = iteration if self._phase_unit == 'steps' else self.batches.locate(iteration)[0]
        now %= sum(phase[self._phase_unit] for phase in self._phases)
        for phase in self._phases:
            now -= phase[self._phase_unit]
            if now < 0:
                return phase['optim']

    def _enter_phase(self, name: str | None) -> None:
        if name != self._phase:
            for owner, parameters in self._parameters.items():
                for parameter in parameters:
                    parameter.requires_grad_(owner == name)
            self._phase = name

    # -- running -----------------------------------------------------------------------------------
    @property
    def _model(self) -> nn.Module:
        return unwrap_model(self.runner.model)

    def _check_teacher(self) -> None:
        teacher = getattr(self._model, 'teacher', None)
        if self.ema is None and teacher is None:
            return
        if teacher is None:
            raise ValueError('train_cfg.ema updates a teacher; set teacher=True in the model')
        if self.ema is None:
            raise ValueError('the model has a teacher; set train_cfg.ema=dict(momentum=...)')
        loaded = self._model.loaded_networks
        if self._iter == 0:
            self.ema.copy(self._model)
        elif loaded is not None and 'teacher' not in loaded:
            raise ValueError(
                'the checkpoint that is resumed has no teacher ("teacher.*"), so it was trained '
                'without EMA; start from it with load_from=... instead of --resume')

    def _check_sample(self) -> None:
        """Find now what would go wrong or be in vain, also in later epochs."""
        model, dataset, cfg = self._model, self.dataloader.dataset, self.runner.cfg
        late = check_begins(model, self._max_epochs, self._max_iters)
        check_classes(model, dataset)
        check_frozen(model, bool(cfg.get('load_from') or cfg.get('resume') or self._iter))
        check_unused(self.runner.model, getattr(model, 'wsss_modules', ()))
        if is_first_of_node() and not self._iter:
            check_files(dataset)
        check_samples(model, dataset, self._max_epochs, late,
                      lambda iteration: self.batches.locate(iteration)[0])

    def run(self) -> nn.Module:
        """Train from the current iteration to the end."""
        self._check_optimizers()
        self._check_teacher()
        self.batches.share_seed(self.runner.seed)
        self._check_sample()
        self._check_place()
        runner = self.runner
        runner.call_hook('before_train')
        if self._iter:  # the run that is resumed may have been killed before its validation
            epoch, step = self.batches.locate(self._iter)
            if not self.by_epoch:
                self._validate(self._iter)
            elif step == 0:
                self._validate(epoch)
        while self._iter < self._max_iters and not self.stop_training:
            self._epoch, start = self.batches.locate(self._iter)
            self.run_epoch(start)
        self.batches.close()
        self._release()
        runner.call_hook('after_train')
        return runner.model

    def _check_place(self) -> None:
        """Refuse a checkpoint whose epochs have another number of iterations than those here."""
        epoch, step = self.batches.locate(self._iter)
        ended = step == 0 and self._epoch == epoch - 1  # saved at its last step
        if self.by_epoch and self._epoch != epoch and not ended:
            raise ValueError(
                f'the checkpoint that is resumed was saved in epoch {self._epoch} after '
                f'{self._iter} iterations, but here {self._iter} iterations are {epoch} epochs: '
                'resume with the number of processes and the batch size that it was trained with, '
                'or start from it with load_from=... instead of --resume')

    def _release(self) -> None:
        for parameters in self._parameters.values():
            for parameter in parameters:
                parameter.requires_grad_(True)
        self._phase = None

    def run_epoch(self, start: int = 0) -> None:
        """One epoch from its step ``start`` on, or what is left of the iterations."""
        runner = self.runner
        self.dataloader = self.batches.loader(self._epoch)
        runner.call_hook('before_train_epoch')
        runner.model.train()
        for index, batch in self.batches.epoch(self._epoch, start):
            self.run_iter(index, batch)
            if not self.by_epoch:
                self._validate(self._iter)
            if self._iter >= self._max_iters or self.stop_training:
                break
        runner.call_hook('after_train_epoch')
        self._epoch += 1
        if self.by_epoch:
            self._validate(self._epoch)

    def run_iter(self, index: int, batch: dict) -> None:
        """One step: seed, forward, backward, optimizer step, EMA."""
        runner = self.runner
        phase = self.phase_at(self._iter)
        self._enter_phase(phase)
        seed_step(runner.seed, self._iter)
        runner.call_hook('before_train_iter', batch_idx=index, data_batch=batch)
        model = self._model
        if hasattr(model, 'set_progress'):
            model.set_progress(
                Progress(self._epoch, self._iter, index / self.batches.length(self._epoch), phase))
        wrapper = runner.optim_wrapper if phase is None else runner.optim_wrapper[phase]
        outputs = runner.model.train_step(batch, optim_wrapper=wrapper)
        # The average is over the steps that optimize the student, no others.
        if self.ema is not None and wrapper.should_update() and model.trains('student'):
            self.ema.update(model, self._iter)
        runner.call_hook('after_train_iter', batch_idx=index, data_batch=batch, outputs=outputs)
        self._iter += 1

    def _validate(self, now: int) -> None:
        runner = self.runner
        last = self._max_epochs if self.by_epoch else self._max_iters
        if runner.val_loop is None or self.val_begin is None or now < self.val_begin:
            return
        if now == last or (self.val_interval is not None and now % self.val_interval == 0):
            share_statistics(self._model)
            runner.val_loop.run()
            runner.model.train()


def seed_step(seed: int, iteration: int) -> None:
    """Seed all global generators from the run's seed, the iteration and the rank."""
    mixed = np.random.SeedSequence([seed or 0, iteration, get_rank()]).generate_state(1)[0]
    random.seed(int(mixed))
    np.random.seed(int(mixed))
    # Not torch.manual_seed, which formats a stack trace at every call where CUDA is not in use.
    torch.default_generator.manual_seed(int(mixed))
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(int(mixed))


__all__ = ['EMA', 'WSSSTrainLoop', 'seed_step']
