"""Mistakes in a config that would train for nothing, found before the first step."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmwsss.datasets.inspection import check_images
from mmwsss.datasets.samplers import EpochIndex
from mmwsss.models.classifiers.part_checks import check_data
from mmwsss.utils.checkpoint import is_pretrained
from mmwsss.utils.errors import did_you_mean

FREEZING = ('frozen_stages', 'frozen_blocks', 'norm_eval')


def check_begins(model: nn.Module, max_epochs: int, max_iters: int | None = None) -> list:
    """Refuse a training that ends before any of its modules begins; warn of those that do not.

    Args:
        model: A :class:`WSSSClassifier`; others pass.
        max_epochs, max_iters: Length of the training.

    Returns:
        The modules that never act.

    Raises:
        ValueError: None of the modules acts.
    """
    modules = list(getattr(model, 'wsss_modules', ()))
    late = [m for m in modules
            if m.begin >= (max_epochs if m.by_epoch else max_iters or float('inf'))]
    begins = ', '.join(f'{type(m).__name__} begin={m.begin}' for m in late)
    if late and len(late) == len(modules):
        raise ValueError(
            f'the training ends after {max_epochs} epochs, before any module of the model acts '
            f'({begins}); raise train_cfg.max_epochs, lower begin= (of the modules and of the '
            'views of the data set), or set model.modules=[]')
    if late:
        print_log(f'the training ends after {max_epochs} epochs, so these never act: {begins}',
                  logger='current', level=30)
    return late


def check_files(dataset: Any) -> None:
    """Look at the image files of a training set (:func:`check_images`).

    Args:
        dataset: With mmengine's ``get_data_info``; others pass.

    Raises:
        ValueError: Some images are damaged; names the first.
    """
    if hasattr(dataset, 'get_data_info'):
        infos = (dataset.get_data_info(index) for index in range(len(dataset)))
        paths = (info['img_path'] for info in infos if 'img_path' in info)
        check_images(list(dict.fromkeys(paths)))  # of a wrapper, some twice


def check_samples(model: nn.Module, dataset: Any, max_epochs: int, late: Sequence[nn.Module] = (),
                  epoch_of: Callable[[int], int] | None = None) -> None:
    """Check a sample of the last epoch, and one of every epoch in which a module begins.

    Args:
        model: A :class:`WSSSClassifier`; others pass.
        dataset: The training set.
        max_epochs: Length of the training.
        late: Modules that never act.
        epoch_of: Gives the epoch of an iteration; without it, modules that begin at an iteration
            are checked in the last epoch only.

    Raises:
        KeyError, TypeError, ValueError: See :meth:`WSSSClassifier.check_sample`.
        ValueError: A module begins before the view of the data that it needs.
    """
    if not hasattr(model, 'check_sample'):
        return
    model.check_sample(dataset[EpochIndex(0, max_epochs - 1)], late)
    begins = {}
    for module in getattr(model, 'wsss_modules', ()):
        if module not in late and (module.by_epoch or epoch_of):
            begins[module] = module.begin if module.by_epoch else epoch_of(module.begin)
    for epoch in sorted({*begins.values()} - {max_epochs - 1}):
        waiting = [m for m in model.wsss_modules if begins.get(m, max_epochs) > epoch]
        try:
            check_data(model, dataset[EpochIndex(0, epoch)], waiting)
        except KeyError as error:  # in the last epoch it is there
            modules = ', '.join(f'{type(m).__name__} begin={m.begin}'
                                for m, begin in begins.items() if begin == epoch)
            views = ', '.join(f'{name} begin={begin}' for name, begin in _view_begins(dataset)
                              if begin > epoch)
            what = error.args[0].split(';')[0]
            raise ValueError(
                f'{what} yet in epoch {epoch}, in which the module begins ({modules}; views of the '
                f'data: {views or "see their begin="}): make the two equal, in model.modules and '
                'train_dataloader.dataset.views') from error


def _view_begins(dataset: Any) -> Iterator[tuple[str, int]]:
    """Name and begin of the views of a data set, or of those in it."""
    inner = [dataset.dataset] if hasattr(dataset, 'dataset') else getattr(dataset, 'datasets', ())
    for one in inner:
        yield from _view_begins(one)
    for view in () if inner else getattr(dataset, 'views', ()):
        if hasattr(view, 'begin'):
            yield view.name, view.begin


def check_unused(wrapped: nn.Module, modules: Sequence[nn.Module]) -> None:
    """Refuse modules whose own parameters have no gradient in some steps on several processes,
    where DDP stops at that unless it is told to look for them.

    Args:
        wrapped: The model as the training calls it.
        modules: Its modules.

    Raises:
        ValueError: Names the module and the key.
    """
    if getattr(wrapped, 'find_unused_parameters', True):
        return
    for module in modules:
        # A rise of the weight begins at 0, where the module rests, too.
        if (module.begin or module.ramp) and any(p.requires_grad for p in module.parameters()):
            raise ValueError(
                f'{type(module).__name__} has parameters of its own, which have no gradient until '
                f'it acts (begin={module.begin}, ramp={module.ramp}): on several processes, set '
                'find_unused_parameters=True in the config')


def check_classes(model: nn.Module, dataset: Any) -> None:
    """Compare the classes of the head and of the data set.

    Raises:
        ValueError: They differ in number; names the key.
    """
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    count = getattr(model, 'num_classes', None)
    key, head = 'model.head.num_classes', getattr(model, 'decode_head', None)
    if isinstance(head, nn.Module) and hasattr(head, 'num_classes'):
        count, key = head.num_classes, 'model.decode_head.num_classes'
    if classes and count and count != len(classes):
        raise ValueError(f'{key}={count}, but the training set has {len(classes)} classes '
                         f'{list(classes)[:30]}; set {key}={len(classes)}, or the metainfo of '
                         'the data set')


def check_frozen(model: nn.Module, loaded: bool = False) -> None:
    """Refuse to train from scratch on parts that are frozen and would stay random, unless
    ``MMWSSS_ALLOW_FROZEN=1`` says that this is meant.

    Args:
        model: With ``backbone``, and perhaps ``networks`` that have one.
        loaded: Weights come from ``load_from`` or a resumed checkpoint.

    Raises:
        ValueError: A backbone without weights freezes stages or batch norms; names the keys.
    """
    if (loaded or os.environ.get('MMWSSS_ALLOW_FROZEN') == '1'
            or is_pretrained(getattr(model, 'init_cfg', None))):
        return
    mode = model.training
    model.train()
    try:
        networks = getattr(model, 'networks', None) or {}
        for name, owner in (('model', model), *((f'model.networks.{k}', networks[k])
                                                for k in networks)):
            backbone = getattr(owner, 'backbone', None)
            if isinstance(backbone, nn.Module):
                _check_backbone(f'{name}.backbone', backbone)
    finally:
        model.train(mode)


def _check_backbone(key: str, backbone: nn.Module) -> None:
    if any(is_pretrained(getattr(m, 'init_cfg', None)) for m in backbone.modules()):
        return
    active = [name for name in FREEZING if _freezes(getattr(backbone, name, None))]
    frozen = [m for m in backbone.modules()
              if isinstance(m, (nn.Conv2d, nn.Linear)) and not m.weight.requires_grad
              or isinstance(m, _BatchNorm) and m.track_running_stats and not m.training]
    if active and frozen:
        free = {'norm_eval': False}
        given = ', '.join(f'{name}={getattr(backbone, name)}' for name in active)
        mend = ' '.join(f'{key}.{name}={free.get(name, -1)}' for name in active)
        raise ValueError(
            f'{key} is trained from scratch, but {given} keep random weights as they are: set '
            f'{mend}, or give {key}.init_cfg=dict(type=\'Pretrained\', checkpoint=...) or '
            'load_from (MMWSSS_ALLOW_FROZEN=1 trains all the same)')


def _freezes(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return isinstance(value, int) and value >= 0 or isinstance(value, Sequence) and bool(value)


PARAMWISE = ('custom_keys', 'norm_decay_mult', 'bias_decay_mult', 'dwconv_decay_mult',
             'bias_lr_mult', 'flat_decay_mult', 'dcn_offset_lr_mult', 'bypass_duplicate')


def check_paramwise(model: nn.Module, optim_wrapper: Mapping) -> None:
    """Compare ``paramwise_cfg`` of mmengine's own constructor, which takes any key, with what it
    reads and with the model.

    Raises:
        TypeError: An option that it does not read, or something else than a dict.
    """
    cfg = optim_wrapper.get('paramwise_cfg') or {}
    kind = optim_wrapper.get('constructor', 'DefaultOptimWrapperConstructor')
    if not cfg or getattr(kind, '__name__', kind) != 'DefaultOptimWrapperConstructor':
        return

    def check(where: str, options: Any, known: Iterable[str]) -> None:
        if not isinstance(options, Mapping):
            raise TypeError(f'optim_wrapper.paramwise_cfg{where} must be a dict, not {options!r}')
        for key in sorted(set(options) - set(known)):
            raise TypeError(f'optim_wrapper.paramwise_cfg{where} has no option "{key}"'
                            f'{did_you_mean(key, list(known))}')

    check('', cfg, PARAMWISE)
    custom = cfg.get('custom_keys') or {}
    check('.custom_keys', custom, custom)  # parts of names, compared with the model below
    for name, one in custom.items():
        check(f'.custom_keys[{name!r}]', one, ('lr_mult', 'decay_mult'))
    names = [name for name, _ in model.named_parameters()]
    for key in custom:
        if not any(key in name for name in names):
            parts = sorted({part for name in names for part in name.split('.')})
            print_log(f'optim_wrapper.paramwise_cfg.custom_keys: no parameter has "{key}" in its '
                      f'name{did_you_mean(key, parts)}', logger='current', level=30)
