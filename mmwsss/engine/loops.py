"""The training loop: epochs or iterations, alternating optimizers, an EMA teacher, exact resume."""

import random
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.optim import OptimWrapperDict
from mmengine.runner import BaseLoop
from torch import nn
from torch.utils.data import DataLoader

from mmwsss.datasets.samplers import EpochIndex
from mmwsss.models.classifiers import Progress
from mmwsss.registry import LOOPS
from mmwsss.utils.model import unwrap_model


class EMA:
    """Exponential moving average of the student in the model's teacher (Tarvainen & Valpola).

    ``teacher <- momentum * teacher + (1 - momentum) * student`` after every optimizer step.

    Args:
        momentum: In [0, 1); RCM+MAM .997, FSAE .999.
        warmup: Steps over which the momentum rises as ``min(momentum, (1 + t) / (10 + t))``.
        buffers: ``'copy'`` takes the student's buffers (batch statistics), ``'average'`` averages
            the floating ones as well.
    """

    def __init__(self, momentum: float, warmup: int = 0, buffers: str = 'copy'):
        if not 0 <= momentum < 1:
            raise ValueError(f'train_cfg.ema.momentum={momentum} must be in [0, 1)')
        if buffers not in ('copy', 'average'):
            raise ValueError(f"train_cfg.ema.buffers={buffers!r} must be 'copy' or 'average'")
        self.momentum = momentum
        self.warmup = warmup
        self.buffers = buffers

    @staticmethod
    def _pairs(model: nn.Module, kind: str) -> Tuple[list, list]:
        teacher, student = [], []
        for part in ('backbone', 'head'):
            teacher += getattr(getattr(model.teacher, part), kind)()
            student += getattr(getattr(model, part), kind)()
        return teacher, student

    @torch.no_grad()
    def copy(self, model: nn.Module) -> None:
        """Start the teacher at the student."""
        for kind in ('parameters', 'buffers'):
            for teacher, student in zip(*self._pairs(model, kind)):
                teacher.copy_(student)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """One update after optimizer step ``step`` (from 0)."""
        momentum = self.momentum
        if step < self.warmup:
            momentum = min(momentum, (1 + step) / (10 + step))
        teacher, student = self._pairs(model, 'parameters')
        averaged, copied = [], []
        for pair in zip(*self._pairs(model, 'buffers')):
            average = self.buffers == 'average' and pair[0].is_floating_point()
            (averaged if average else copied).append(pair)
        teacher += [pair[0] for pair in averaged]
        student += [pair[1] for pair in averaged]
        torch._foreach_lerp_(teacher, student, 1 - momentum)
        for mine, yours in copied:
            mine.copy_(yours)


@LOOPS.register_module()
class WSSSTrainLoop(BaseLoop):
    """Train by epochs or by iterations.

    Everything that decides a step is a function of the seed and the iteration number: the order and
    augmentation of the images, the phase, the batch size and the random numbers of the networks.
    So a checkpoint needs no random state, and a run that was killed and resumed at any step equals
    one that never was.

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
                 dataloader: Union[DataLoader, dict],
                 max_epochs: Optional[int] = None,
                 max_iters: Optional[int] = None,
                 batch_size: Optional[Sequence[Tuple[int, int]]] = None,
                 phases: Optional[Sequence[dict]] = None,
                 ema: Optional[dict] = None,
                 val_begin: Optional[int] = 1,
                 val_interval: Optional[int] = 1):
        if (max_epochs is None) == (max_iters is None):
            raise ValueError('train_cfg: give either max_epochs or max_iters')
        self._loaders, self._milestones = self._build_loaders(runner, dataloader, batch_size)
        super().__init__(runner, self._loaders[0])
        self.by_epoch = max_epochs is not None
        self._max_epochs = max_epochs
        self._max_iters = max_iters
        if self.by_epoch:
            self._max_iters = self._first_iter(max_epochs)
        else:
            self._max_epochs = self._locate(max(max_iters - 1, 0))[0] + 1
        self._epoch = 0
        self._iter = 0
        self._phases = [dict(phase) for phase in phases or ()]
        self._phase: Optional[str] = None
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

    # -- data --------------------------------------------------------------------------------------
    @staticmethod
    def _build_loaders(runner, dataloader, batch_size) -> Tuple[List[DataLoader], List[int]]:
        if not isinstance(dataloader, dict):
            if batch_size:
                raise ValueError(
                    'train_cfg.batch_size needs train_dataloader as a config, not a built loader')
            return [dataloader], [0]
        schedule = [(int(epoch), int(size)) for epoch, size in batch_size or ()]
        schedule = schedule or [(0, dataloader['batch_size'])]
        milestones = [epoch for epoch, _ in schedule]
        if milestones[0] != 0 or milestones != sorted(set(milestones)):
            raise ValueError(
                f'train_cfg.batch_size={batch_size}: epochs must begin at 0 and rise')
        loaders = []
        for _, size in schedule:
            cfg = {**dataloader, 'batch_size': size}
            if loaders:  # the data set and its order are the same at every batch size
                cfg.update(dataset=loaders[0].dataset, sampler=loaders[0].sampler)
            loaders.append(runner.build_dataloader(cfg, seed=runner.seed))
            if len(loaders[-1]) == 0:
                raise ValueError(
                    f'the training set has {len(loaders[-1].dataset)} images, fewer than one '
                    f'batch of {size}; lower the batch size or set drop_last=False')
        return loaders, milestones

    def _loader(self, epoch: int) -> DataLoader:
        index = max(i for i, milestone in enumerate(self._milestones) if milestone <= epoch)
        return self._loaders[index]

    def _first_iter(self, epoch: int) -> int:
        """Iterations before an epoch."""
        ends = self._milestones[1:] + [epoch]
        return sum(
            max(min(end, epoch) - begin, 0) * len(loader)
            for begin, end, loader in zip(self._milestones, ends, self._loaders))

    def _locate(self, iteration: int) -> Tuple[int, int]:
        """Epoch of an iteration and its place in it."""
        for milestone, loader in zip(reversed(self._milestones), reversed(self._loaders)):
            done = iteration - self._first_iter(milestone)
            if done >= 0:
                return milestone + done // len(loader), done % len(loader)
        raise AssertionError('iterations begin at 0')

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
        self._parameters: Dict[str, List[nn.Parameter]] = {}
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

    def phase_at(self, iteration: int) -> Optional[str]:
        """Name of the optimizer that steps at an iteration; None with a single optimizer."""
        if not self._phases:
            return None
        now = iteration if self._phase_unit == 'steps' else self._locate(iteration)[0]
        now %= sum(phase[self._phase_unit] for phase in self._phases)
        for phase in self._phases:
            now -= phase[self._phase_unit]
            if now < 0:
                return phase['optim']

    def _enter_phase(self, name: Optional[str]) -> None:
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

    def _share_seed(self) -> None:
        """Give order and augmentation the run's seed, which a resumed run takes from its file."""
        for loader in self._loaders:
            holders = [loader.sampler, loader.dataset]
            while hasattr(holders[-1], 'dataset'):  # wrappers
                holders.append(holders[-1].dataset)
            for holder in holders:
                if hasattr(holder, 'seed'):
                    holder.seed = self.runner.seed

    def _check_sample(self) -> None:
        """Ask the model now whether the data has all it will need, also in later epochs."""
        if hasattr(self._model, 'check_sample'):
            self._model.check_sample(self.dataloader.dataset[EpochIndex(0, self._max_epochs - 1)])

    def run(self) -> nn.Module:
        """Train from the current iteration to the end."""
        self._check_optimizers()
        self._check_teacher()
        self._share_seed()
        self._check_sample()
        runner = self.runner
        runner.call_hook('before_train')
        while self._iter < self._max_iters and not self.stop_training:
            self._epoch, start = self._locate(self._iter)
            self.run_epoch(start)
        self._release()
        runner.call_hook('after_train')
        return runner.model

    def _release(self) -> None:
        for parameters in self._parameters.values():
            for parameter in parameters:
                parameter.requires_grad_(True)
        self._phase = None

    def run_epoch(self, start: int = 0) -> None:
        """One epoch from its step ``start`` on, or what is left of the iterations."""
        runner = self.runner
        self.dataloader = loader = self._loader(self._epoch)
        runner.call_hook('before_train_epoch')
        self._seek(loader, start)
        runner.model.train()
        for index, batch in enumerate(loader, start):
            self.run_iter(index, batch)
            if not self.by_epoch:
                self._validate(self._iter)
            if self._iter >= self._max_iters or self.stop_training:
                break
        runner.call_hook('after_train_epoch')
        self._epoch += 1
        if self.by_epoch:
            self._validate(self._epoch)

    def _seek(self, loader: DataLoader, start: int) -> None:
        sampler = loader.sampler
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(self._epoch)
        if start:
            if not hasattr(sampler, 'set_start'):
                raise ValueError(
                    f'{type(sampler).__name__} cannot go on inside an epoch; use '
                    "sampler=dict(type='EpochSampler') to resume from this checkpoint")
            sampler.set_start(start * loader.batch_size)

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
                Progress(self._epoch, self._iter, index / len(self.dataloader), phase))
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
            runner.val_loop.run()
            runner.model.train()


def seed_step(seed: int, iteration: int) -> None:
    """Seed all global generators from the run's seed, the iteration and the rank."""
    mixed = np.random.SeedSequence([seed or 0, iteration, get_rank()]).generate_state(1)[0]
    random.seed(int(mixed))
    np.random.seed(int(mixed))
    torch.manual_seed(int(mixed))


__all__ = ['EMA', 'WSSSTrainLoop', 'seed_step']
