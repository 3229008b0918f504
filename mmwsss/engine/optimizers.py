"""Optimizers from a config: the field's parameter groups, several optimizers, AMP on a CPU."""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from mmwsss.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from mmwsss.utils.model_wrapper import unwrap_model

Item = tuple[str, nn.Parameter, nn.Module]  # full name, parameter, layer that owns it
_DECAYED = (nn.modules.conv._ConvNd, nn.Linear)


# Parts of a model that earlier configs know by another name.
RENAMED = dict(ideas='wsss_modules')


def _is_in(name: str, part: str) -> bool:
    part = part.rstrip('.')
    return name == part or name.startswith(part + '.')


def _present(model: nn.Module, part: str) -> str:
    """The present name of a part that may have its earlier one."""
    first, dot, rest = part.partition('.')
    known = {name for name, _ in model.named_children()}
    return part if first in known else RENAMED.get(first, first) + dot + rest


def _trainable(model: nn.Module) -> Iterator[Item]:
    """Each trainable parameter once, with its full name and the layer that owns it."""
    seen = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                yield f'{prefix}.{name}' if prefix else name, parameter, module


def field_param_groups(parameters: Iterable[Item],
                       lr: float,
                       weight_decay: float = 0.,
                       new_layers: Sequence[str] = (),
                       new_lr_mult: float = 10.,
                       bias_lr_mult: float = 2.,
                       decay_all: bool = False) -> list[dict]:
    """Parameter groups as in PSA and what followed it.

    ========================  =====================  ============
    parameters                rate                   weight decay
    ========================  =====================  ============
    conv and linear weights   lr                     yes
    their biases              bias_lr_mult * lr      no
    all others (norms, ...)   lr                     no
    ========================  =====================  ============

    and ``new_lr_mult`` times that in new layers.

    Args:
        parameters: Full name, parameter, and the layer that owns it.
        lr: Rate of a pretrained weight.
        weight_decay: Weight decay of conv and linear weights.
        new_layers: Names of parts without pretrained weights (``'head'``).
        new_lr_mult: 10 in the field.
        bias_lr_mult: 2 in the field.
        decay_all: Weight decay on norms and biases, too, as in IRN and SIPE, which group by the
            part of the network alone.

    Returns:
        At most six groups, pretrained weights first.
    """
    groups: dict[tuple, list] = {}
    for name, parameter, layer in parameters:
        is_new = any(_is_in(name, part) for part in new_layers)
        is_layer = isinstance(layer, _DECAYED)
        is_bias = is_layer and name.rsplit('.', 1)[-1] == 'bias'
        mult = (new_lr_mult if is_new else 1.) * (bias_lr_mult if is_bias else 1.)
        decay = weight_decay if decay_all or is_layer and not is_bias else 0.
        order = (is_new, is_bias, not is_layer)
        groups.setdefault((order, mult, decay), []).append(parameter)
    return [
        dict(params=params, lr=lr * mult, weight_decay=decay)
        for (_, mult, decay), params in sorted(groups.items(), key=lambda item: item[0])
    ]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class WSSSOptimWrapperConstructor:
    """One optimizer with :func:`field_param_groups`; frozen parameters are left out.

    Args:
        optim_wrapper_cfg: As mmengine's: ``type`` of the wrapper, ``optimizer``, ...
        paramwise_cfg: ``new_layers``, ``new_lr_mult``, ``bias_lr_mult`` and ``decay_all`` of
            :func:`field_param_groups`, and ``legacy_momentum``: the momentum of SGD is the value of
            the weight decay. That is what the field's "PolyOptimizer" really does (it hands the
            weight decay to SGD's third argument; its ``momentum=0.9`` is only the power of the
            decay), and what gave its published numbers. Without ``paramwise_cfg``, all parameters
            form one group.

    Raises:
        ValueError: Unknown options, or no parameters.
    """

    OPTIONS = ('new_layers', 'new_lr_mult', 'bias_lr_mult', 'decay_all', 'legacy_momentum')

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        self.wrapper_cfg = dict(optim_wrapper_cfg)
        self.options = None if paramwise_cfg is None else dict(paramwise_cfg)
        if 'optimizer' not in self.wrapper_cfg:
            raise ValueError('optim_wrapper needs optimizer=dict(type=..., lr=...)')
        self.optimizer_cfg = dict(self.wrapper_cfg.pop('optimizer'))
        if 'lr' not in self.optimizer_cfg:
            raise ValueError('optim_wrapper.optimizer needs lr=...')
        options = self.options or {}
        unknown = set(options) - set(self.OPTIONS)
        if unknown:
            raise ValueError(f'optim_wrapper.paramwise_cfg: unknown {sorted(unknown)}; there are '
                             f'{list(self.OPTIONS)}')
        if options.pop('legacy_momentum', False):
            if 'momentum' in self.optimizer_cfg or 'weight_decay' not in self.optimizer_cfg:
                raise ValueError('legacy_momentum=True takes the momentum from weight_decay: give '
                                 'weight_decay and no momentum in optim_wrapper.optimizer')
            self.optimizer_cfg['momentum'] = self.optimizer_cfg['weight_decay']

    def __call__(self, model: nn.Module) -> OptimWrapper:
        model = unwrap_model(model)
        return self.build(model, _trainable(model))

    def build(self, model: nn.Module, parameters: Iterable[Item]) -> OptimWrapper:
        """The wrapper over some of a model's parameters."""
        known = {name for name, _ in (*model.named_modules(), *model.named_parameters())}
        options = dict(self.options or {})
        if 'new_layers' in options:
            options['new_layers'] = [_present(model, name) for name in options['new_layers']]
        for name in options.get('new_layers', ()):
            if name.rstrip('.') not in known:
                raise ValueError(
                    f'optim_wrapper.paramwise_cfg.new_layers: the model has no "{name}"; its parts '
                    f'are {[name for name, _ in model.named_children()]}')
        cfg = dict(self.optimizer_cfg)
        if self.options is None:
            groups = [parameter for _, parameter, _ in parameters]
        else:
            groups = field_param_groups(
                parameters, cfg['lr'], cfg.get('weight_decay', 0.), **options)
        if not groups:
            raise ValueError('optim_wrapper: there is no parameter to train; all are frozen')
        optimizer = OPTIMIZERS.build(dict(cfg, params=groups))
        return OPTIM_WRAPPERS.build(
            {'type': 'OptimWrapper', **self.wrapper_cfg}, default_args=dict(optimizer=optimizer))


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MultiOptimWrapperConstructor:
    """Several optimizers by name, for the ``phases`` of :class:`WSSSTrainLoop`::

        optim_wrapper = dict(
            constructor='MultiOptimWrapperConstructor',
            localizer=dict(params=('backbone', 'head'), optimizer=dict(type='SGD', lr=0.01)),
            adversary=dict(params=('networks.adversary', ), optimizer=dict(type='SGD', lr=0.01)))

    Args:
        optim_wrapper_cfg: Each entry has ``params``, the names of the parts of the model it owns,
            and otherwise what :class:`WSSSOptimWrapperConstructor` takes, ``paramwise_cfg``
            included.
        paramwise_cfg: Options of all entries that give none of their own.

    Raises:
        ValueError: A trainable parameter belongs to no optimizer or to two, or an optimizer has
            none.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        self.parts: dict[str, tuple[str, ...]] = {}
        self.constructors: dict[str, WSSSOptimWrapperConstructor] = {}
        for name, cfg in optim_wrapper_cfg.items():
            if not isinstance(cfg, dict) or 'params' not in cfg:
                raise ValueError(f'optim_wrapper.{name} must be dict(params=(NAME, ...), '
                                 'optimizer=dict(...)), where the names are parts of the model')
            cfg = dict(cfg)
            parts = cfg.pop('params')
            self.parts[name] = (parts, ) if isinstance(parts, str) else tuple(parts)
            options = cfg.pop('paramwise_cfg', paramwise_cfg)
            self.constructors[name] = WSSSOptimWrapperConstructor(cfg, options)

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        model = unwrap_model(model)
        owned: dict[str, list] = {name: [] for name in self.parts}
        own_parts = {name: [_present(model, part) for part in parts]
                     for name, parts in self.parts.items()}
        orphans = []
        for item in _trainable(model):
            owners = [name for name, parts in own_parts.items()
                      if any(_is_in(item[0], part) for part in parts)]
            if len(owners) > 1:
                raise ValueError(f'parameter "{item[0]}" is in params of two optimizers: {owners}')
            if owners:
                owned[owners[0]].append(item)
            else:
                orphans.append(item[0])
        if orphans:
            raise ValueError(
                f'{len(orphans)} trainable parameters belong to no optimizer, e.g. {orphans[:3]}; '
                f'add their part to params of one of optim_wrapper.{{{",".join(self.parts)}}}, or '
                'freeze them')
        for name, items in owned.items():
            if not items:
                raise ValueError(f'optim_wrapper.{name}: no trainable parameter is in params='
                                 f'{self.parts[name]}')
        return OptimWrapperDict(
            **{name: self.constructors[name].build(model, items) for name, items in owned.items()})


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """Mixed precision by bfloat16 autocast on the model's device, CPU included; it needs no loss
    scaling. mmengine's ``AmpOptimWrapper`` works on accelerators only."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield


def has_native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself (AVX512-BF16, AMX or ARM's BF16)."""
    try:
        return re.search(r'\b(avx512_bf16|amx_bf16|bf16)\b', Path('/proc/cpuinfo').read_text()
                         ) is not None
    except OSError:
        return False


def use_amp(optim_wrapper: dict) -> None:
    """Switch an optimizer config, of one or of several optimizers, to mixed precision: float16 with
    loss scaling on a GPU, bfloat16 on a CPU.

    On a CPU without native bfloat16 a step would take some 85 times as long: there it says so and
    leaves float32, unless the environment has ``MMWSSS_FORCE_AMP=1``.

    Raises:
        ValueError: A wrapper of another kind.
    """
    on_gpu = torch.cuda.is_available()
    amp = 'AmpOptimWrapper' if on_gpu else 'Bfloat16OptimWrapper'
    wrappers = [optim_wrapper] if 'optimizer' in optim_wrapper else [
        cfg for cfg in optim_wrapper.values() if isinstance(cfg, dict) and 'optimizer' in cfg]
    for cfg in wrappers:
        kind = cfg.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', amp):
            raise ValueError(f'--amp works with OptimWrapper, but the config has type="{kind}"')
    if not on_gpu and not has_native_bfloat16() and os.environ.get('MMWSSS_FORCE_AMP') != '1':
        print_log('--amp: this CPU has no bfloat16 arithmetic (avx512_bf16, amx_bf16), so mixed '
                  'precision would be far slower; training in float32 (MMWSSS_FORCE_AMP=1 insists)',
                  logger='current', level=logging.WARNING)
        return
    for cfg in wrappers:
        cfg['type'] = amp
        if on_gpu:
            cfg.setdefault('loss_scale', 'dynamic')
