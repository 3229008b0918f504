"""What the tools in ``tools/model_converters`` share: read, rename, check, write."""

import argparse
import re
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .cli import make_parser, run_tool
from .io import atomic_write

if TYPE_CHECKING:
    from torch import Tensor, nn

State = dict[str, 'Tensor']
Rule = tuple[str, str | Callable[[re.Match], str]]

_MXNET_LIST = 0x112
_MXNET_V1, _MXNET_V2, _MXNET_V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_MXNET_DTYPES = ('<f4', '<f8', '<f2', 'u1', '<i4', 'i1', '<i8')


def is_mxnet(path: str | Path) -> bool:
    """Whether a file is a list of MXNet arrays."""
    with open(path, 'rb') as file:
        return file.read(8) == struct.pack('<Q', _MXNET_LIST)


def read_mxnet(path: str | Path) -> State:
    """Read an MXNet ``.params`` file (a list of dense arrays, all versions) without mxnet.

    Raises:
        ValueError: The file is cut off or something else.
    """
    import torch
    data, at = Path(path).read_bytes(), 0

    def take(form: str) -> tuple:
        nonlocal at
        values = struct.unpack_from('<' + form, data, at)
        at += struct.calcsize('<' + form)
        return values

    def array() -> 'Tensor | None':
        nonlocal at
        magic, = take('I')
        if magic in (_MXNET_V2, _MXNET_V3):
            storage, = take('i')
            if storage != 0:
                raise ValueError(f'sparse array (storage type {storage})')
        if magic in (_MXNET_V1, _MXNET_V2, _MXNET_V3):
            dims, = take('i')
            shape = take(f'{max(dims, 0)}q')
        else:  # before versions had a magic number: the number of dimensions itself
            dims = magic
            if dims > 32:
                raise ValueError(f'unknown array version {magic:#x}')
            shape = take(f'{dims}I')
        if dims < 0 or (dims == 0 and magic != _MXNET_V3):
            return None  # an array without content ends here
        take('ii')  # device
        kind, = take('i')
        if not 0 <= kind < len(_MXNET_DTYPES):
            raise ValueError(f'unknown number type {kind}')
        dtype = np.dtype(_MXNET_DTYPES[kind])
        count = int(np.prod(shape, dtype=np.int64))
        if count < 0 or at + count * dtype.itemsize > len(data):
            raise ValueError('it ends within an array')
        values = np.frombuffer(data, dtype, count, at).reshape(shape)
        at += count * dtype.itemsize
        return torch.from_numpy(values.copy())

    try:
        if take('QQ')[0] != _MXNET_LIST:
            raise ValueError('no list of arrays')
        arrays = [array() for _ in range(take('Q')[0])]
        names = []
        for _ in range(take('Q')[0]):
            length, = take('Q')
            names.append(take(f'{length}s')[0].decode())
        if len(names) != len(arrays):
            raise ValueError(f'{len(arrays)} arrays but {len(names)} names')
    except (ValueError, struct.error, MemoryError, OverflowError) as error:
        raise ValueError(f'"{path}" is no complete MXNet .params file ({error}); download it '
                         'again (copies of this file are known to be damaged)') from error
    return {name: value for name, value in zip(names, arrays) if value is not None}


def read_torch(path: str | Path) -> State:
    """The state dict of a PyTorch checkpoint, without wrappers."""
    from .checkpoint import load_checkpoint_safely, state_dict_of
    return state_dict_of(load_checkpoint_safely(path), path)


def rename(state: State, rules: Sequence[Rule], drop: Sequence[str], source: object) -> State:
    """Give every weight its new name.

    Args:
        state: Weights by their original names.
        rules: ``(regular expression of a whole name, new name or function of the match)``; the
            first that matches counts. Originals often hold a weight under several names; those may
            have one new name if they are equal.
        drop: Regular expressions of what is not needed.
        source: File name, for errors.

    Raises:
        ValueError: A name that no rule knows, or one new name for different weights.
    """
    import torch
    renamed, unknown = {}, []
    for name, value in state.items():
        for pattern, new in rules:
            match = re.fullmatch(pattern, name)
            if match:
                target = new(match) if callable(new) else match.expand(new)
                if target in renamed and not torch.equal(renamed[target], value):
                    raise ValueError(f'"{source}" has two different weights for "{target}", one of '
                                     f'them "{name}"; it is not the checkpoint of one model')
                renamed[target] = value
                break
        else:
            if not any(re.fullmatch(pattern, name) for pattern in drop):
                unknown.append(name)
    if unknown:
        raise ValueError(
            f'"{source}" has {len(unknown)} unknown key(s), e.g. {unknown[:5]}; this converter is '
            'for another model or layout')
    return renamed


def fit(state: State, build: 'Callable[[State], nn.Module | dict]', source: object) -> State:
    """Check converted weights against the network they are for.

    Args:
        state: Weights by their new names.
        build: Makes the network, or a dict of its parts, from the weights' shapes; it is built
            without memory.
        source: File name, for errors.

    Returns:
        The weights in the network's order, complete: counters of batches that old PyTorch versions
        did not save are 0.

    Raises:
        ValueError: Weights are missing, too many or of another shape.
    """
    import torch
    try:
        with torch.device('meta'):
            network = build(state)
        parts = network if isinstance(network, dict) else {'': network}
        wanted = {f'{part}.{name}'.lstrip('.'): value for part, module in parts.items()
                  for name, value in module.state_dict().items()}
    except KeyError as error:
        raise ValueError(f'"{source}" lacks the weight that becomes {error}; it is cut off or of '
                         'another model') from error
    for name in wanted:
        if name.endswith('num_batches_tracked'):
            state.setdefault(name, torch.tensor(0))
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    wrong = [f'{name} {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}'
             for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if missing or unknown or wrong:
        raise ValueError(
            f'"{source}" does not hold this model: missing {missing[:5]}, not part of it '
            f'{unknown[:5]}, wrong shapes {wrong[:5]}')
    return {name: state[name] for name in wanted}


def in_order(state: State, wanted: State, source: object) -> State:
    """Give weights the names of a network that has the same layers in the same order.

    Args:
        state: Weights in the order of their file.
        wanted: State dict of the network (values on the meta device will do).
        source: File name, for errors.

    Returns:
        ``state`` under the names of ``wanted``.

    Raises:
        ValueError: Another number of weights, or one whose shape or kind (the last part of its
            name: weight, bias, running_mean, ...) is another one.
    """
    if len(state) != len(wanted):
        raise ValueError(f'"{source}" has {len(state)} weights, the network {len(wanted)}')
    for (old, value), (new, like) in zip(state.items(), wanted.items()):
        if value.shape != like.shape or old.split('.')[-1] != new.split('.')[-1]:
            raise ValueError(f'"{source}": {old} {tuple(value.shape)} stands where the network has '
                             f'{new} {tuple(like.shape)}')
    return dict(zip(wanted, state.values()))


def run_converter(convert: Callable[[str], State], description: str,
                  argv: Sequence[str] | None = None) -> None:
    """The command line of a converter: ``SRC DST``.

    Args:
        convert: Reads SRC and gives the checked weights.
        description: Shown by ``--help``.
        argv: Arguments; those of the process by default.
    """
    parser = make_parser(description)
    parser.add_argument('src', help='the public checkpoint')
    parser.add_argument('dst', help='where to write the converted one')

    def run(args: argparse.Namespace) -> None:
        import torch
        state = convert(args.src)
        meta = dict(converted_from=Path(args.src).name, converter=Path(sys.argv[0]).name)
        with atomic_write(args.dst, 'wb') as file:
            torch.save(dict(state_dict=state, meta=meta), file)
        print(f'{len(state)} tensors, {sum(v.numel() for v in state.values()) / 1e6:.2f} M '
              f'numbers -> {args.dst}')

    run_tool(run, parser.parse_args(argv))


# -- the layouts of the field ----------------------------------------------------------------------
_RESNET38D_PARTS = dict(
    bn_branch2a='bn1', conv_branch2a='conv1', bn_branch2b1='bn2', conv_branch2b1='conv2',
    bn_branch2b2='bn3', conv_branch2b2='conv3', conv_branch1='shortcut')


def resnet38d_rules(prefix: str = 'backbone.') -> list[Rule]:
    """Names of the ResNet38d of PSA, SEAM, AEFT, KTSE, ...: ``b4_2.conv_branch2a.weight``."""
    def block(match: re.Match) -> str:
        stage, number, part, name = match.groups()
        return f'{prefix}stage{stage}.{number or 0}.{_RESNET38D_PARTS[part]}.{name}'

    return [
        (r'conv1a\.weight', rf'{prefix}stem.weight'),
        (r'bn7\.(\w+)', rf'{prefix}norm.\1'),
        (rf'b(\d)(?:_(\d))?\.({"|".join(_RESNET38D_PARTS)})\.(\w+)', block),
    ]


def resnet38d_widths(state: State, prefix: str = 'backbone.') -> list[int]:
    """The ``width`` of the ResNet38d that converted weights are for."""
    last = ['stem'] + [f'stage{i}.0.conv2' for i in range(2, 6)] + [
        f'stage{i}.0.conv3' for i in (6, 7)]
    return [state[f'{prefix}{name}.weight'].shape[0] for name in last]


def build_resnet50() -> 'nn.Module':
    """mmpretrain's ResNet-50, whose names are torchvision's."""
    import torch

    from mmwsss.registry import MODELS
    with torch.device('cpu'):  # it computes with tensors while it is built
        return MODELS.build(dict(type='mmpretrain.ResNet', depth=50))
