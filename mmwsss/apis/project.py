"""A project for a folder of own images: two short configs whose sizes fit images and machine."""

import importlib.util
import os
import pprint
import shlex
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template

import numpy as np
import torch
from mmengine.logging import print_log
from torch import nn

from mmwsss._compat import usable_cores
from mmwsss.datasets.inspection import Inspection, inspect_dataset, open_folder
from mmwsss.inference.cams import auto_stride
from mmwsss.registry import MODELS
from mmwsss.utils import atomic_write, load_pretrained

LITE0 = 'tf_efficientnet_lite0'
BACKBONES = ('efficientnet-lite0', 'resnet18', 'resnet50', 'small')
# Where the weights of the first are looked for.
LITE0_WEIGHTS = 'pretrain/efficientnet_lite0_timm.pth'
IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
SGD = dict(type='SGD', lr=0.003, momentum=0.9, weight_decay=1e-4)
ADAMW = dict(type='AdamW', lr=1e-3, weight_decay=1e-2)
# The new layer learns faster than the pretrained ones.
HEAD_RATE = (',\n' + 21 * ' ' +
             "paramwise_cfg=dict(custom_keys={'head.classifier': dict(lr_mult=10.)})")


@dataclass
class Backbone:
    """A backbone for a project.

    Args:
        config: Of the backbone, which gives one map.
        mean, std: What its images are normalised by.
        warning: What the user should know.
    """

    config: dict
    mean: Sequence[float] = tuple(IMAGENET['mean'])
    std: Sequence[float] = tuple(IMAGENET['std'])
    warning: str = ''

    @property
    def pretrained(self) -> bool:
        return 'init_cfg' in self.config

    def build(self) -> nn.Module:
        """The network without its weights."""
        return MODELS.build({k: value for k, value in self.config.items() if k != 'init_cfg'})

    def check_weights(self) -> None:
        """Raise ValueError if the file of its weights is none of this network."""
        path = self.config['init_cfg']['checkpoint'] if self.pretrained else ''
        if os.path.isfile(path):
            try:
                load_pretrained(self.build(), path, strict=False)
            except ValueError as error:
                raise ValueError(f'{error}; or name their network by --backbone') from error

    @cached_property
    def channels(self) -> int:
        """Of its map, by one pass of a blank image."""
        model = self.build()
        model.eval()  # mmseg's returns nothing
        with torch.no_grad():
            return model(torch.zeros(1, 3, 64, 64))[-1].shape[1]


def _timm(model: str, weights: str | None) -> Backbone:
    import timm
    cfg = timm.get_pretrained_cfg(model)
    config = dict(type='TimmBackbone', model=model, output_stride=16)
    if weights:
        config.update(frozen_stages=2, init_cfg=dict(type='Pretrained', checkpoint=weights))
    else:
        config.update(norm_eval=False)
    mean, std = ((cfg.mean, cfg.std) if cfg else ((0.5, ) * 3, (0.5, ) * 3))
    return Backbone(config, [round(255 * x, 3) for x in mean], [round(255 * x, 3) for x in std])


def _resnet(depth: int, weights: str | None) -> Backbone:
    config = dict(type='mmpretrain.ResNet', depth=depth, strides=(1, 2, 2, 1), out_indices=(3, ))
    if weights:
        config.update(frozen_stages=1, norm_eval=True,
                      init_cfg=dict(type='Pretrained', checkpoint=weights))
    return Backbone(config)


def _small() -> Backbone:
    return Backbone(dict(
        type='mmseg.ResNet', depth=18, num_stages=3, stem_channels=32, base_channels=32,
        strides=(1, 2, 1), dilations=(1, 1, 2), out_indices=(2, ),
        norm_cfg=dict(type='BN', requires_grad=True), norm_eval=False))


def _reachable(depth: int) -> bool:
    """Whether torchvision's weights of a ResNet lie on this machine or can be downloaded."""
    from torchvision.models import get_model_weights
    url = get_model_weights(f'resnet{depth}').IMAGENET1K_V1.url
    if os.path.isfile(os.path.join(torch.hub.get_dir(), 'checkpoints', os.path.basename(url))):
        return True
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method='HEAD'), timeout=3):
            return True
    except OSError:
        return False


def choose_backbone(name: str | None = None, weights: str | None = None) -> Backbone:
    """The backbone of a project.

    Args:
        name: One of ``BACKBONES``, or any model of timm; None: EfficientNet-Lite0 if timm and its
            weights are there, else a ResNet with torchvision's weights if they are there or can be
            downloaded (18 on a CPU, 50 on a GPU), else a small network from scratch.
        weights: File of its weights, in the names that the backbone has.

    Raises:
        FileNotFoundError: No such file.
        ValueError: ``weights`` for the small network, or no such model.
    """
    if weights and not os.path.isfile(weights):
        raise FileNotFoundError(f'no weights "{weights}"')
    weights = weights and os.path.abspath(weights)
    has_timm = importlib.util.find_spec('timm') is not None
    depth = 50 if torch.cuda.is_available() else 18
    if name is None:
        if has_timm and (weights or os.path.isfile(LITE0_WEIGHTS)):
            name = BACKBONES[0]
        else:
            name = f'resnet{depth}' if weights or _reachable(depth) else 'small'
    if name == 'small':
        if weights:
            raise ValueError('the backbone "small" is trained from scratch; leave --weights out')
        return _scratch(_small())
    if name in ('resnet18', 'resnet50'):
        depth = int(name.removeprefix('resnet'))
        if weights is None and _reachable(depth):
            weights = f'torchvision://{name}'
        return _resnet(depth, weights) if weights else _scratch(_resnet(depth, None))
    if not has_timm:
        raise ValueError(f'the backbone "{name}" needs timm (pip install timm); without it there '
                         f'are {", ".join(BACKBONES[1:])}')
    if name == BACKBONES[0]:
        name = LITE0
        if weights is None and os.path.isfile(LITE0_WEIGHTS):
            weights = os.path.abspath(LITE0_WEIGHTS)
    import timm
    if not timm.is_model(name):
        raise ValueError(f'no backbone "{name}"; there are {", ".join(BACKBONES)} and the models '
                         'of timm')
    return _timm(name, weights) if weights else _scratch(_timm(name, None))


def _scratch(backbone: Backbone) -> Backbone:
    backbone.warning = (
        'no ImageNet weights were found, so the network is trained from scratch: with less than '
        'some hundred images of each class its masks will be poor. Give --weights FILE (how to get '
        'them: docs/own_data.md#get-initial-weights)')
    return backbone


@dataclass
class Plan:
    """Sizes of a project, see :func:`plan`."""

    crop: int
    longs: tuple[int, int]
    batch: int
    epochs: int
    every: int
    seg_iters: int
    scales: tuple[float, ...]
    stride: int
    down_scale: int
    workers: int
    seg_scale: float
    seg_scales: tuple[float, ...]


def plan(count: int, long_side: float, pretrained: bool, gpu: bool, cores: int) -> Plan:
    """Sizes, batch and epochs for so many images of a size on a machine.

    Args:
        count: Images to train on.
        long_side: Median of their long sides in pixels.
        pretrained: The backbone has ImageNet weights.
        gpu: There is one.
        cores: Of the CPU.
    """
    crop = int(min(max(long_side // 32 * 32, 64), 320 if gpu else 160))
    batch = 16 if count >= 128 else 8 if count >= 16 else max(count // 2, 1)
    # A pretrained network learns the classes in some hundred steps; each image is seen at least
    # three times (a CPU) or ten times (a GPU).
    visits = (10 if gpu else 3) * count / batch
    steps = max((600 if gpu else 200) * (1 if pretrained else 4), visits)
    epochs = max(round(steps * batch / count), 1)
    seg_iters = int(max((2000 if gpu else 240) * (1 if pretrained else 3), visits))

    def at(factor: float) -> float:  # the scale at which images are so many crops long
        return float(f'{factor * crop / long_side:.2g}')

    return Plan(
        crop=crop, longs=(crop, round(1.7 * crop)), batch=batch, epochs=epochs,
        every=max(epochs // 5, 1), seg_iters=seg_iters, scales=tuple(map(at, (1, 1.5, 2))),
        stride=max(int(long_side // 1000) * 2, auto_stride(count)),
        down_scale=max(round(long_side / 256), 2), workers=min(max(cores - 1, 1), 4),
        seg_scale=at(1.35), seg_scales=tuple(map(at, (1, 1.35, 1.7))))


CLASSIFIER = Template("""\
# $summary Classifier, CAMs and pseudo
# masks; then segmentation.py on them:   python tools/run_pipeline.py $classifier
default_scope, work_dir = 'mmwsss', $work_dir
classes = $classes$order
images = dict(  # images of no class teach as well
    type='ImageLabelDataset', metainfo=dict(classes=classes$all_classes), allow_negatives=True,
    img_dir=$img_dir, label_file=$label_file)
model = dict(
    type='WSSSClassifier',  # modules=[...] adds methods, see docs/method_zoo.md
    data_preprocessor=dict(type='WSSSDataPreprocessor', mean=$mean,
                           std=$std, channels_last=True),
    backbone=$backbone,
    head=dict(type='GAPHead', num_classes=len(classes), in_channels=$channels))
train_dataloader = dict(
    batch_size=$batch, num_workers=$workers, persistent_workers=True, drop_last=$drop_last,
    sampler=dict(type='EpochSampler', shuffle=True), collate_fn=dict(type='pseudo_collate'),
    dataset=dict(**images, pipeline=[
        dict(type='LoadImage'), dict(type='ResizeLong', long=$longs), dict(type='RandomFlip'),
        dict(type='RandomPadCrop', size=$crop), dict(type='PackWSSSInputs')]))
optim_wrapper = dict(optimizer=$optimizer$paramwise)
param_scheduler = dict(type='PolyLR', power=0.9, by_epoch=True, convert_to_iter_based=True)
train_cfg = dict(type='WSSSTrainLoop', max_epochs=$epochs)
default_hooks = dict(checkpoint=dict(type='WSSSCheckpointHook', interval=$every, max_keep_ckpts=1))
${scored}pipeline = dict(
    cam=dict(scales=$scales, flip=True, stride=$stride),
    # More background with a larger bg, a number in [0, 1]; $rule
    mask=dict(type='PARMask', down_scale=$down_scale, bg='$bg'),
    segment=dict(config='segmentation.py'))
""")

SCORED = Template("""\
# $count images have masks: they choose the threshold and are scored; no mask is trained on.
val_dataloader = dict(
    batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False), num_workers=1,
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(**images, ann_file=$list, seg_dir=$masks, test_mode=True,
                 pipeline=[dict(type=x) for x in ('LoadImage', 'LoadMask', 'PackWSSSInputs')]))
val_evaluator, val_cfg = dict(type='SeedMetric', thresholds=(0, 0.8, 0.01)), dict(type='ValLoop')
""")

SEGMENTATION = Template("""\
# DeepLabV2 of background and $count classes on classifier.py's pseudo masks, the model to use:
#   python tools/infer.py $segmentation CHECKPOINT FOLDER --out OUT
_base_ = './classifier.py'
custom_imports = dict(imports=['mmwsss.datasets', 'mmwsss.models'], allow_failed_imports=False)
work_dir = $seg_work_dir
model = dict(
    _delete_=True, type='MSCEncoderDecoder', backbone=_base_.model.backbone,
    data_preprocessor=dict(type='mmseg.SegDataPreProcessor', bgr_to_rgb=True, size=($crop, $crop),
                           mean=$mean, std=$std),
    decode_head=$head,
    train_cfg=dict(), test_cfg=dict(mode='whole', scales=($seg_scale, ), flip=True))
train_dataloader = dict(
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True), dataset=dict(
        _delete_=True, type='PseudoMaskDataset', metainfo=dict(classes=_base_.classes),
        img_dir=_base_.images.img_dir, img_suffix=None,
        mask_dir=$mask_dir, pipeline=[
            dict(type='LoadImageFromFile'), dict(type='LoadPseudoMask'),
            dict(type='RandomChoice', transforms=[[dict(
                type='mmseg.Resize', scale_factor=x, keep_ratio=True)] for x in $seg_scales]),
            dict(type='mmseg.RandomCrop', crop_size=($crop, $crop)),
            dict(type='mmseg.RandomFlip', prob=0.5), dict(type='mmseg.PackSegInputs')]))${unscored}
optim_wrapper = dict(_delete_=True, optimizer=dict(type='AdamW', lr=$lr, weight_decay=1e-2),
                     paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=$head_mult))))
param_scheduler = dict(_delete_=True, type='PolyLR', power=0.9, by_epoch=False)
train_cfg = dict(_delete_=True, type='WSSSTrainLoop', max_iters=$seg_iters)
log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=$seg_every))
""")


def _code(value: object, indent: int) -> str:
    """A value as source text, lines after the first indented."""
    text = pprint.pformat(value, width=98 - indent, sort_dicts=False)
    return text.replace('\n', '\n' + ' ' * indent)


def _call(config: dict, indent: int) -> str:
    """A config as ``dict(type=..., ...)`` in lines of at most 100 columns."""
    parts, lines = [], ['']
    for key, value in config.items():
        value = _call(value, 0) if isinstance(value, dict) else repr(value)
        parts.append(f'{key}={value}')
    for number, part in enumerate(parts):
        text = part + (', ' if number < len(parts) - 1 else '')
        if lines[-1] and len(lines[-1]) + len(text) + indent > 96 - 5:
            lines.append('')
        lines[-1] += text
    joined = ('\n' + ' ' * (indent + 5)).join(line.rstrip() for line in lines)
    return f'dict({joined})'


def new_project(folder: str | Path,
                labels: str | Path,
                out: str | Path,
                masks: str | Path | None = None,
                classes: Sequence[str] | None = None,
                backbone: str | None = None,
                weights: str | None = None,
                num_threads: int = 4) -> tuple[Inspection, Path | None]:
    """Check a folder of images and write a project for it.

    Args:
        folder: Of the images.
        labels: Their label table, see :func:`~mmwsss.datasets.label_tables.read_label_table`.
        out: Folder of the project: ``classifier.py`` and ``segmentation.py``.
        masks: Folder of ground-truth masks ``<name>.png`` of some images, to score on.
        classes: All classes in the order of the ids of the masks, or of the indices in the table;
            None: see :class:`~mmwsss.datasets.ImageLabelDataset`.
        backbone, weights: See :func:`choose_backbone`.
        num_threads: That read the images.

    Returns:
        What is known of the images, and the classifier's config; None where something must be
        fixed before (``Inspection.ok``).

    Raises:
        FileNotFoundError, ValueError: Something cannot be read, the weights are of another network,
            or ``out`` has a project.
    """
    out = Path(out)
    if (out / 'classifier.py').exists():
        raise ValueError(f'"{out}" has a project already; choose another --out')
    if not Path(folder).is_dir():
        raise FileNotFoundError(f'no folder of images "{folder}"')
    network = choose_backbone(backbone, weights)
    network.check_weights()
    result = inspect_dataset(open_folder(folder, labels, masks, classes), folder, num_threads)
    if not result.ok:
        return result, None
    if network.warning:
        print_log(network.warning, 'current', level=30)
    out.mkdir(parents=True, exist_ok=True)
    scored = [name for name, fact in zip(result.names, result.facts) if fact.pixels is not None]
    if scored:
        with atomic_write(out / 'scored.txt') as file:
            file.writelines(f'{name}\n' for name in scored)
    for name, text in _texts(result, network, Path(folder), Path(labels), out, masks, scored):
        with atomic_write(out / name) as file:
            file.write(text)
    return result, out / 'classifier.py'


def _texts(result: Inspection, network: Backbone, folder: Path, labels: Path, out: Path,
           masks: str | Path | None, scored: list[str]) -> list[tuple[str, str]]:
    long_side = float(np.median([max(fact.size) for fact in result.facts]))
    gpu = torch.cuda.is_available()
    sizes = plan(len(result.names), long_side, network.pretrained, gpu, usable_cores())
    where = 'a GPU' if gpu else f'{usable_cores()} CPU cores'
    negatives = int((~result.labels.any(1)).sum())
    partial = result.all_classes != result.classes
    values = dict(
        vars(sizes), channels=network.channels, mean=list(network.mean), std=list(network.std),
        classes=_code(tuple(result.classes), 11),
        order=f'\nall_classes = {_code(result.all_classes, 15)}' * partial,
        all_classes=', all_classes=all_classes' * partial,
        count=len(result.classes),
        head=_call(dict(type='DeepLabV2Head', in_channels=network.channels,
                        dilations=(1, 2, 4, 6), num_classes=len(result.classes) + 1), 14),
        img_dir=repr(str(folder.resolve())), label_file=repr(str(labels.resolve())),
        work_dir=repr(str(out.resolve() / 'work')),
        drop_last=len(result.names) >= 2 * sizes.batch,
        optimizer=_call(SGD if network.pretrained else ADAMW, 0),
        paramwise=HEAD_RATE if network.pretrained else '',
        backbone=_call(network.config, 13),
        summary=(f'{len(result.names)} images ({negatives} of no class), {len(result.classes)} '
                 f'classes; sizes for {where}.'),
        classifier=shlex.quote(f'{out}/classifier.py'), segmentation=out / 'segmentation.py',
        bg='oracle' if scored else 'auto',
        rule='here by the masks.' if scored else 'here by a rule that needs no masks.',
        scored='' if not scored else SCORED.substitute(
            count=len(scored), list=repr(str((out / 'scored.txt').resolve())),
            masks=repr(str(Path(masks).resolve()))),
        unscored='' if not scored else '\nval_dataloader = val_evaluator = val_cfg = None',
        seg_work_dir=repr(str(out.resolve() / 'work/segmentation')),
        mask_dir=repr(str(out.resolve() / 'work/pipeline/mask')),
        lr=1e-4 if network.pretrained else 1e-3,
        head_mult=20. if network.pretrained else 1., seg_every=max(sizes.seg_iters // 5, 1))
    texts = [('classifier.py', CLASSIFIER), ('segmentation.py', SEGMENTATION)]
    return [(name, template.substitute(values)) for name, template in texts]
