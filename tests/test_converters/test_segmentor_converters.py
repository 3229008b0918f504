"""Public checkpoints of segmentation models, by their original names, load whole."""

import struct

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from test_model_converters import ROOT, convert, tool
from torch.nn import functional as F

from mmwsss.models.backbones import Xception65
from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import load_pretrained
from mmwsss.utils.tf_checkpoint import read_tensorflow

DEPTHS = (3, 4, 6, 3)


def config_model(name, **options):
    """The model of a config, narrow, as a user would load weights into it."""
    init_default_scope('mmwsss')
    cfg = Config.fromfile(ROOT / f'configs/deeplab/{name}.py')
    cfg.merge_from_dict(dict(model=dict(
        backbone=dict(init_cfg=None, **options.pop('backbone')), **options)))
    return MODELS.build(cfg.model).eval()


# -- deeplab-pytorch -------------------------------------------------------------------------------
def kazuto_state(version, aspp, classes=3, width=4):
    """Names and shapes of DeepLabV2 (MSC) at another width and depth."""
    prefix, shortcut, stages = dict(
        new=('base.', 'shortcut', ''), old=('scale.', 'proj', 'stages.'),
        bare=('', 'shortcut', ''))[version]

    def unit(name, out, inner, kernel):
        return {f'{name}.conv.weight': torch.randn(out, inner, kernel, kernel) * 0.2,
                f'{name}.bn.weight': torch.rand(out) + 0.5, f'{name}.bn.bias': torch.randn(out),
                f'{name}.bn.running_mean': torch.randn(out),
                f'{name}.bn.running_var': torch.rand(out) + 0.5}

    state, channels = unit('layer1.conv1', width, 3, 7), width
    for layer, depth in enumerate(DEPTHS, 2):
        mid = width * 2**(layer - 2)
        for block in range(1, depth + 1):
            name = f'layer{layer}.block{block}'
            state.update(unit(f'{name}.reduce', mid, channels, 1))
            state.update(unit(f'{name}.conv3x3', mid, mid, 3))
            state.update(unit(f'{name}.increase', 4 * mid, mid, 1))
            if block == 1:
                state.update(unit(f'{name}.{shortcut}', 4 * mid, channels, 1))
            channels = 4 * mid
    if aspp:
        for i in range(4):
            state[f'aspp.{stages}c{i}.weight'] = torch.randn(classes, channels, 3, 3)
            state[f'aspp.{stages}c{i}.bias'] = torch.randn(classes)
    else:
        state.update({'fc.weight': torch.randn(91, channels, 1, 1), 'fc.bias': torch.randn(91)})
    return {prefix + name: value for name, value in state.items()}


def kazuto_forward(state, x):
    """The new version: stride in the first 1x1 convolution, pooling rounds up."""
    def unit(x, name, stride=1, dilation=1, relu=True):
        weight = state[f'base.{name}.conv.weight']
        x = F.conv2d(x, weight, None, stride, weight.shape[-1] // 2 * dilation, dilation)
        x = F.batch_norm(x, *(state[f'base.{name}.bn.{key}'] for key in (
            'running_mean', 'running_var', 'weight', 'bias')))
        return F.relu(x) if relu else x

    x = F.max_pool2d(unit(x, 'layer1.conv1', 2), 3, 2, 1, ceil_mode=True)
    for layer, depth, stride, rate in zip((2, 3, 4, 5), DEPTHS, (1, 2, 1, 1), (1, 1, 2, 4)):
        for block in range(1, depth + 1):
            name, step = f'layer{layer}.block{block}', stride if block == 1 else 1
            out = unit(unit(x, f'{name}.reduce', step), f'{name}.conv3x3', 1, rate)
            out = unit(out, f'{name}.increase', relu=False)
            skip = unit(x, f'{name}.shortcut', step, relu=False) if block == 1 else x
            x = F.relu(out + skip)
    return sum(F.conv2d(x, state[f'base.aspp.c{i}.weight'], state[f'base.aspp.c{i}.bias'], 1, rate,
                        rate) for i, rate in enumerate((6, 12, 18, 24)))


@torch.no_grad()
@pytest.mark.parametrize('version', ['new', 'old', 'bare'])
def test_deeplabv2(tmp_path, version):
    state = kazuto_state(version, aspp=True)
    model = config_model(
        'deeplabv2_r101_voc_coco-init',
        backbone=dict(depth=50, stem_channels=4, base_channels=4),
        decode_head=dict(in_channels=128, num_classes=3))
    model.load_state_dict(convert(tmp_path, 'deeplabv2', state), strict=True)
    if version == 'new':
        x = torch.randn(1, 3, 68, 52)
        torch.testing.assert_close(model._forward(x), kazuto_forward(state, x),
                                   rtol=1e-4, atol=1e-3)


def test_deeplabv2_initial_weights(tmp_path):
    state = kazuto_state('bare', aspp=False)
    converted = convert(tmp_path, 'deeplabv2', state)
    assert not any(name.startswith(('backbone', 'decode_head', 'fc')) for name in converted)
    model = config_model('deeplabv2_r101_voc_coco-init',
                         backbone=dict(depth=50, stem_channels=4, base_channels=4))
    load_pretrained(model.backbone, str(tmp_path / 'out/dst.pth'))  # strict
    assert torch.equal(model.backbone.layer4[0].downsample[0].weight,
                       state['layer5.block1.shortcut.conv.weight'])


def test_deeplabv2_of_another_kind(tmp_path, refused):
    state = kazuto_state('new', aspp=True)
    del state['base.layer3.block2.reduce.bn.weight']
    with refused('missing.*layer2.1.bn1.weight'):
        convert(tmp_path, 'deeplabv2', state)


# -- TensorFlow's Xception-65 ----------------------------------------------------------------------
def tf_xception(decoder, middle=2, classes=3):
    """Names and shapes in the checkpoints of TensorFlow's DeepLab at 1/16 of the width."""
    rng = np.random.default_rng(0)
    state = {'global_step': np.array(5, np.int64)}

    def array(*shape):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)

    def conv(name, kernel, inner, out, kind='weights'):
        state[f'{name}/{kind}'] = array(kernel, kernel, inner, out)
        for key in ('gamma', 'beta', 'moving_mean', 'moving_variance'):
            state[f'{name}/BatchNorm/{key}'] = array(inner if kind != 'weights' else out)

    def separable(name, inner, out):
        conv(f'{name}_depthwise', 3, inner, 1, 'depthwise_weights')
        conv(f'{name}_pointwise', 1, inner, out)

    conv('xception_65/entry_flow/conv1_1', 3, 3, 2)
    conv('xception_65/entry_flow/conv1_2', 3, 2, 4)
    blocks = [('entry_flow/block1/unit_1', (4, 8, 8, 8)),
              ('entry_flow/block2/unit_1', (8, 16, 16, 16)),
              ('entry_flow/block3/unit_1', (16, 46, 46, 46)),
              *((f'middle_flow/block1/unit_{i}', (46, 46, 46, 46)) for i in range(1, middle + 1)),
              ('exit_flow/block1/unit_1', (46, 46, 64, 64)),
              ('exit_flow/block2/unit_1', (64, 96, 96, 128))]
    for name, channels in blocks:
        name = f'xception_65/{name}/xception_module'
        for i in range(3):
            separable(f'{name}/separable_conv{i + 1}', channels[i], channels[i + 1])
        if channels[0] != channels[3] and 'exit_flow/block2' not in name:
            conv(f'{name}/shortcut', 1, channels[0], channels[3])
    if not decoder:
        state['xception_65/logits/weights'] = array(1, 1, 128, 10)
        state['xception_65/logits/biases'] = array(10)
        return state
    conv('image_pooling', 1, 128, 5)
    conv('aspp0', 1, 128, 5)
    for i in (1, 2, 3):
        separable(f'aspp{i}', 128, 5)
    conv('concat_projection', 1, 25, 5)
    conv('decoder/feature_projection0', 1, 16, 3)
    separable('decoder/decoder_conv0', 8, 5)
    separable('decoder/decoder_conv1', 5, 5)
    state['logits/semantic/weights'] = array(1, 1, 5, classes)
    state['logits/semantic/biases'] = array(classes)
    return state


def varint(value):
    out = b''
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def write_tensorflow(path, arrays, restart=16, compressed=False):
    """A checkpoint as TensorFlow writes it: a sorted table of entries, and the values."""
    kinds = {'float32': 1, 'float64': 2, 'int64': 9}
    data, entries = b'', {b'': field(1, 1)}
    for name in sorted(arrays):
        value = arrays[name]
        shape = b''.join(field(2, field(1, size)) for size in value.shape)
        entries[name.encode()] = (
            field(1, kinds[str(value.dtype)]) + field(2, shape) + field(4, len(data))
            + field(5, value.nbytes) + varint(6 << 3 | 5) + b'\0\0\0\0')
        data += value.tobytes()
    entries[b'zz_text'] = field(1, 7) + field(2, b'') + field(4, 0) + field(5, 3)

    def block(items):
        out, restarts, last = b'', [], b''
        for i, (key, value) in enumerate(items):
            shared = 0
            if i % restart == 0:
                restarts.append(len(out))
            else:
                while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                    shared += 1
            out += varint(shared) + varint(len(key) - shared) + varint(len(value))
            out += key[shared:] + value
            last = key
        restarts = restarts or [0]
        return out + struct.pack(f'<{len(restarts) + 1}I', *restarts, len(restarts))

    table, index, items = b'', [], sorted(entries.items())
    for start in range(0, len(items), 40):
        part = block(items[start:start + 40])
        index.append((items[min(start + 39, len(items) - 1)][0],
                      varint(len(table)) + varint(len(part))))
        table += part + bytes([int(compressed)]) + b'\0\0\0\0'
    meta, at = block([]), len(table)
    table += meta + b'\0' * 5
    root = block(index)
    handles = varint(at) + varint(len(meta)) + varint(len(table)) + varint(len(root))
    table += root + b'\0' * 5
    table += handles.ljust(40, b'\0') + struct.pack('<Q', 0xdb4775248b80fb57)
    path.with_suffix('.ckpt.index').write_bytes(table)
    path.with_suffix('.ckpt.data-00000-of-00001').write_bytes(data)


def test_reads_tensorflow(tmp_path):
    arrays = tf_xception(decoder=True)
    write_tensorflow(tmp_path / 'model.ckpt', arrays)
    for path in (tmp_path / 'model.ckpt', tmp_path / 'model.ckpt.index'):
        got = read_tensorflow(path)
        assert got.keys() == arrays.keys()
        assert all(np.array_equal(got[name].numpy(), arrays[name]) for name in arrays)


@pytest.mark.parametrize('damage, message', [
    ('index', 'no complete TensorFlow'), ('values', 'data end early'), ('magic', 'no table'),
    ('compressed', 'compressed'), ('shard', 'missing'), ('none', 'has no file')])
def test_damaged_tensorflow_file_is_named(tmp_path, damage, message):
    write_tensorflow(tmp_path / 'model.ckpt', tf_xception(False), compressed=damage == 'compressed')
    index, data = tmp_path / 'model.ckpt.index', tmp_path / 'model.ckpt.data-00000-of-00001'
    if damage == 'index':
        index.write_bytes(index.read_bytes()[500:])
    elif damage == 'values':
        data.write_bytes(data.read_bytes()[:-4])
    elif damage == 'magic':
        index.write_bytes(index.read_bytes()[:-1])
    elif damage in ('shard', 'none'):
        (data if damage == 'shard' else index).unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_tensorflow(tmp_path / 'model.ckpt')


def run(tmp_path, name, source):
    module = tool(name)
    module.run_converter(module.convert, module.__doc__, [str(source), str(tmp_path / 'dst.pth')])
    return torch.load(tmp_path / 'dst.pth', weights_only=True)['state_dict']


@pytest.mark.parametrize('form', ['tensorflow', 'npz'])
def test_deeplabv3plus(tmp_path, form):
    arrays = tf_xception(decoder=True)
    arrays['aspp0/weights/Momentum'] = np.ones((1, 1, 128, 5), np.float32)
    if form == 'npz':
        np.savez(tmp_path / 'x.npz', **arrays)
    else:
        write_tensorflow(tmp_path / 'model.ckpt', arrays)
    state = run(tmp_path, 'xception65',
                tmp_path / ('x.npz' if form == 'npz' else 'model.ckpt.index'))
    model = config_model(
        'deeplabv3plus_x65_voc', backbone=dict(width=1 / 16, middle_blocks=2),
        decode_head=dict(in_channels=128, channels=5, c1_in_channels=16, c1_channels=3,
                         num_classes=3))
    model.load_state_dict(state, strict=True)
    depthwise = arrays['xception_65/exit_flow/block1/unit_1/xception_module/'
                       'separable_conv2_depthwise/depthwise_weights']
    ours = model.backbone.blocks[5].stack['conv2'].conv_dw.weight
    assert all(ours[c, 0, y, x] == depthwise[y, x, c, 0]
               for c in (0, 45) for y in range(3) for x in range(3))
    name = 'decoder/decoder_conv0_pointwise'
    assert torch.equal(model.decode_head.sep_bottleneck[0].pointwise_conv.conv.weight[..., 0, 0],
                       torch.from_numpy(arrays[f'{name}/weights'][0, 0].T))
    assert torch.equal(model.decode_head.sep_bottleneck[0].pointwise_conv.bn.running_var,
                       torch.from_numpy(arrays[f'{name}/BatchNorm/moving_variance']))
    first = arrays['xception_65/middle_flow/block1/unit_2/xception_module/separable_conv1_pointwise'
                   '/BatchNorm/beta']
    assert torch.equal(model.backbone.blocks[4].stack['conv1'].bn_pw.bias, torch.from_numpy(first))


def test_xception65_initial_weights(tmp_path):
    np.savez(tmp_path / 'x.npz', **tf_xception(decoder=False))
    run(tmp_path, 'xception65', tmp_path / 'x.npz')
    model = Xception65(width=1 / 16, middle_blocks=2, init_cfg=dict(
        type='Pretrained', checkpoint=str(tmp_path / 'dst.pth')))
    model.init_weights()  # strict


@pytest.mark.parametrize('damage, message', [('lost', 'missing'), ('other', 'another network')])
def test_xception65_of_another_kind(tmp_path, damage, message, refused):
    arrays = tf_xception(decoder=True)
    if damage == 'lost':
        del arrays['aspp2_depthwise/BatchNorm/gamma']
    else:
        arrays = dict(x=np.ones(3))
    np.savez(tmp_path / 'x.npz', **arrays)
    with refused(message):
        run(tmp_path, 'xception65', tmp_path / 'x.npz')
