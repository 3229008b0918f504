"""Mistakes in parts of one's own (backbones, heads, modules, data), told by the part's name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from ..heads.base import CAMOutput
from ..utils.multi_scale import MAX_SIDE, SCALES, limited_size, raw_maps, rescale, scaled_size
from .views import Views


@contextmanager
def evaluating(*parts: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every module is in the mode that it was in."""
    modes = [(module, module.training) for part in parts for module in part.modules()]
    for part in parts:
        part.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f'{type(value).__name__} of {", ".join(map(_shown, value)) or "nothing"}'
    return f'{type(value).__name__} {tuple(value.shape)}' if isinstance(value, Tensor) else (
        type(value).__name__)


# -- what a step is made of ------------------------------------------------------------------------
def checked_features(backbone: nn.Module, feats: Sequence[Tensor],
                     images: Tensor) -> tuple[Tensor, ...]:
    """What a backbone gives for images ``(N, 3, H, W)``, as a tuple.

    Raises:
        TypeError: It is no tuple or list of feature maps ``(N, D, h, w)``. Between them may be
            tokens ``(N, K, D)``.
    """
    rows = images.shape[0]
    if not isinstance(feats, (list, tuple)) or not feats or not all(
            isinstance(feat, Tensor) and feat.dim() > 2 and feat.shape[0] == rows
            for feat in feats):
        raise TypeError(
            f'the backbone {type(backbone).__name__} must give a tuple of feature maps (N, D, h, '
            f'w) with N={int(rows)}, low to high level, not {_shown(feats)}; its forward must end '
            'with "return (x, )", x being the map before any pooling over the image')
    return tuple(feats)


def checked_output(head: nn.Module, output: CAMOutput, images: Tensor) -> CAMOutput:
    """What a head gives for images ``(N, 3, H, W)``.

    Raises:
        TypeError: It is no :class:`CAMOutput`, or its features are no tuple.
        ValueError: CAM or logits do not have the head's ``num_classes`` C.
    """
    name = type(head).__name__
    if not isinstance(output, CAMOutput) or not (
            isinstance(output.cam, Tensor) and isinstance(output.logits, Tensor)):
        raise TypeError(f'the head {name} must give CAMOutput(cam, logits, feats=tuple(feats)) of '
                        f'mmwsss.models.heads, not {_shown(output)}')
    if isinstance(output.feats, Tensor):
        raise TypeError(f'the head {name}: feats of its CAMOutput must be a tuple of maps, not '
                        f'{_shown(output.feats)}')
    cam, logits = output.cam, output.logits
    wanted = (images.shape[0], getattr(head, 'num_classes', logits.shape[-1]))
    if cam.dim() != 4 or cam.shape[:2] != wanted or logits.shape != wanted:
        rows, classes = map(int, wanted)
        raise ValueError(
            f'the head {name} must give cam (N, C, h, w) and logits (N, C) with N={rows} and '
            f'C={classes} (its num_classes, without background, whose score is bg), not cam '
            f'{tuple(cam.shape)} and logits {tuple(logits.shape)}')
    return output


# -- when the model is built -----------------------------------------------------------------------
def check_parts(model: nn.Module) -> None:
    """Check the head and the modules of a :class:`WSSSClassifier`.

    Raises:
        TypeError: A part is of another kind than it must be.
        ValueError: Two modules log by one name, or something that a module needs is not there.
    """
    from ..modules.base import WSSSModule  # which imports this package
    for module in model.wsss_modules:
        name = type(module).__name__
        if not isinstance(module, WSSSModule):
            raise TypeError(f'model.modules: {name} must be a child of WSSSModule '
                            '(mmwsss.models.modules)')
        if not hasattr(module, 'begin'):
            raise TypeError(f'{name}.__init__ must call super().__init__(**kwargs) of WSSSModule')
        for key in ('views', 'fields', 'networks', 'trains'):
            names = getattr(module, key)
            if isinstance(names, str):
                raise TypeError(f'{name}.{key} must be a tuple of names, not a string: {key} = '
                                f'("{names}", )')
    prefixes = [module.prefix for module in model.wsss_modules]
    for prefix in prefixes:
        if prefixes.count(prefix) > 1:
            raise ValueError(f'two modules log as "{prefix}"; give one of them another name=...')
    for module in model.wsss_modules:
        module.check(model)
    known = {'student', 'frozen', *model.networks}
    if model.teacher is not None:
        known.add('teacher')
    for module in model.wsss_modules:
        for network in module.networks:
            if network not in known:
                how = ('teacher=True in the model and ema=dict(momentum=...) in train_cfg'
                       if network == 'teacher' else
                       f"networks=dict({network}=dict(type='CAMNetwork', ...)) in the model")
                raise ValueError(
                    f'{type(module).__name__} needs the network "{network}"; set {how}')


# -- before the training ---------------------------------------------------------------------------
def check_data(model: nn.Module, sample: dict, late: Sequence[nn.Module] = ()) -> Views:
    """Check that a sample of the training set has all that the modules need, in the form that the
    data preprocessor takes.

    Args:
        model: A :class:`WSSSClassifier`.
        sample: ``inputs`` and ``data_samples`` of one image, before collation.
        late: Modules that do not act yet, or never, so that they need nothing.

    Returns:
        The sample's views, those of the modules included.

    Raises:
        KeyError: A view or a field is missing; says which and how to get it.
        TypeError: A view is of a wrong type or shape, or the head has no loss.
    """
    if 'inputs' not in sample:
        raise KeyError('the pipeline of the training set must end with PackWSSSInputs')
    if model.cls_views and not hasattr(model.head, 'loss'):
        raise TypeError(f'the head {type(model.head).__name__} needs a method loss(output, labels) '
                        '-> dict of tensors, or model.cls_views=[]')
    active = [module for module in model.wsss_modules if module not in late]
    for module in active:
        name = type(module).__name__
        for view in module.views:
            if view not in sample['inputs']:
                raise KeyError(
                    f'{name} needs the view "{view}", which the data does not '
                    'give; add it to the views of the data set (PairedView, CrossDomainView; '
                    'their begin= must not be after the last epoch) or to its pipeline the '
                    'transform that makes it (StrongView)')
        for key in module.fields:
            if key not in sample['data_samples']['image']:
                raise KeyError(
                    f'{name} needs the field "{key}", which image '
                    f'"{sample["data_samples"]["image"].get("name")}" does not have; the data '
                    f'set must provide it ({key}_dir=...) and the pipeline must load and pack it')
    if hasattr(model.data_preprocessor, 'check_inputs'):  # one's own may take other views
        model.data_preprocessor.check_inputs(sample['inputs'])
    views = model.views(**model.data_preprocessor(pseudo_collate([sample])))
    for module in active:
        module.add_views(views)
    return views


def check_inference(model: nn.Module, image: Tensor, size: Sequence[int]) -> None:
    """Make a CAM as inference does, at the smallest of its scales, so that a mistake in what the
    head does there is not found after the training. Weights, modes and random state stay.

    Args:
        model: A :class:`WSSSClassifier`.
        image: Normalised, ``(1, 3, H, W)``.
        size: ``(H, W)`` of a whole image.

    Raises:
        ValueError: It fails, or the method of the head gives maps of a wrong shape, or NaN.
    """
    options, own = model.test_cfg, model.own_background
    method = type(model.head).__name__ + ('.infer_scores' if own else '.infer_cam')
    if model.cam is not None:
        method = type(model.cam).__name__
    if own and not hasattr(model.head, 'infer_scores'):
        raise ValueError(f'{type(model.head).__name__} says own_background, so that it must have '
                         f'a method {method}(output, flip) -> (N, C + 1, h, w)')
    # A size that inference has, since a network may not work at just any.
    size = scaled_size(limited_size(size, options.get('max_side', MAX_SIDE)),
                       min(options.get('scales') or SCALES))
    devices = [image.device] if image.is_cuda else []
    with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices):
        try:
            # A head that joins an image and its mirror image is given both.
            maps = raw_maps(model, rescale(image, size), own and options.get('flip', True), own)
        except Exception as error:
            model.extract(image)  # what fails in training, too, is told as it is
            raise ValueError(f'inference ({type(model.backbone).__name__}, {method}) fails on an '
                             f'image of {size[0]} x {size[1]} pixels: {type(error).__name__}: '
                             f'{error}') from error
        wanted = (1, model.num_classes + int(own))
        if not isinstance(maps, Tensor) or maps.dim() != 4 or maps.shape[:2] != wanted:
            raise ValueError(
                f'{method} must give maps (N, {"C + 1" if own else "C"}, h, w), for this image '
                f'(1, {wanted[1]}, h, w), not {_shown(maps)}')
        if maps.isnan().any():
            raise ValueError(f'{method} gives maps with NaN for an image of {size[0]} x {size[1]} '
                             'pixels; look for a division by 0, or a root or logarithm of it')
