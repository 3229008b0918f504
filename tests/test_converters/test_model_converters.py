import importlib.util
import os
import pickle
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import originals
import pytest
import torch
from mmengine.config import Config
from originals import SMALL
from torch.nn import functional as F

from mmwsss.models.backbones import ResNet38d
from mmwsss.models.classifiers import CAMNetwork
from mmwsss.models.heads.sipe_head import cam_with_background, structure_seeds
from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import load_checkpoint_safely, load_pretrained

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / 'tools' / 'model_converters'
SMALL_R38 = dict(type='ResNet38d', width=SMALL)


def tool(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f'{name}_to_mmwsss.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def convert(tmp_path, name, state):
    """Through the whole tool, as the user runs it but for the process."""
    module = tool(name)
    src, dst = tmp_path / 'src.pth', tmp_path / 'out' / 'dst.pth'
    if not src.exists():
        torch.save(state, src)
    module.run_converter(module.convert, module.__doc__, [str(src), str(dst)])
    return load_checkpoint_safely(dst)['state_dict']


def network(state, backbone, head):
    """A network of these parts that takes the weights with nothing missing or unexpected."""
    model = CAMNetwork(backbone, head).eval()
    model.load_state_dict(state, strict=True)
    return model


def close(a, b):
    assert a.shape == b.shape
    assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


# -- ResNet38d -------------------------------------------------------------------------------------
@pytest.mark.parametrize('wrap', [lambda s: s, lambda s: dict(net=s),
                                  lambda s: {f'module.{k}': v for k, v in s.items()}])
def test_resnet38d_from_pytorch(tmp_path, wrap):
    state = originals.resnet38d_state(counters=False)
    convert(tmp_path, 'resnet38d', wrap({**state, 'fc8.weight': torch.ones(2, 2, 1, 1)}))
    model = ResNet38d(SMALL, out_indices=(4, 5, 6)).eval()
    load_pretrained(model, str(tmp_path / 'out' / 'dst.pth'))
    x = torch.randn(2, 3, 40, 32)
    for got, want in zip(model(x), originals.resnet38d_forward(state, x)):
        close(got, want)


def mxnet_file(arrays, version):
    """MXNet's binary list of named arrays, as MXNet of that age would write it."""
    out = struct.pack('<QQQ', 0x112, 0, len(arrays))
    for value in arrays.values():
        if version == 'legacy':
            out += struct.pack(f'<I{value.ndim}I', value.ndim, *value.shape)
        elif version == 'v1':
            out += struct.pack(f'<II{value.ndim}q', 0xF993FAC8, value.ndim, *value.shape)
        else:
            magic = dict(v2=0xF993FAC9, v3=0xF993FACA)[version]
            out += struct.pack(f'<Iii{value.ndim}q', magic, 0, value.ndim, *value.shape)
        kind = {'float32': 0, 'float64': 1, 'float16': 2}[str(value.dtype)]
        out += struct.pack('<iii', 1, 0, kind) + value.tobytes()
    out += struct.pack('<Q', len(arrays))
    for name in arrays:
        out += struct.pack('<Q', len(name)) + name.encode()
    return out


def mxnet_names(state):
    """The names in ilsvrc-cls_rna-a1_cls1000_ep-0001.params."""
    bn = dict(weight='gamma', bias='beta', running_mean='moving_mean', running_var='moving_var')
    named = {}
    for key, value in state.items():
        *module, part = key.split('.')
        store = 'aux' if part.startswith('running') else 'arg'
        if module == ['conv1a']:
            name = 'conv1a_weight'
        elif module == ['bn7']:
            name = f'bn7_{bn[part]}'
        else:
            stage, number = re.fullmatch(r'b(\d)(?:_(\d))?', module[0]).groups()
            unit = f'{stage}a' if number is None else f'{stage}b{number}'
            kind, branch = module[1].split('_')
            name = (f'res{unit}_{branch}_weight' if kind == 'conv' else
                    f'bn{unit}_{branch}_{bn[part]}')
        named[f'{store}:{name}'] = value.numpy()
    return named


@pytest.mark.parametrize('version', ['legacy', 'v1', 'v2', 'v3'])
def test_resnet38d_from_mxnet(tmp_path, version):
    state = originals.resnet38d_state(counters=False)
    arrays = mxnet_names(state)
    arrays['arg:linear1000_weight'] = np.ones((3, 2), np.float64)
    arrays['arg:linear1000_bias'] = np.ones(3, np.float16)
    (tmp_path / 'src.pth').write_bytes(mxnet_file(arrays, version))
    got = convert(tmp_path, 'resnet38d', None)
    torch.save(state, tmp_path / 'src.pth')
    want = convert(tmp_path, 'resnet38d', None)
    assert got.keys() == want.keys()
    assert all(torch.equal(got[key], want[key]) for key in got)


@pytest.mark.parametrize('damage', ['cut', 'names', 'magic', 'huge'])
def test_damaged_mxnet_file_is_named(tmp_path, damage, refused):
    data = mxnet_file({'arg:conv1a_weight': np.ones((4, 3), np.float32)}, 'v2')
    data = dict(cut=data[:40], names=data[:-3], magic=data[:24] + b'\xff' * 4 + data[28:],
                huge=data.replace(struct.pack('<q', 4), struct.pack('<q', 2 ** 40)))[damage]
    (tmp_path / 'src.pth').write_bytes(data)
    with refused('src.pth.*no complete MXNet'):
        convert(tmp_path, 'resnet38d', None)
    assert not (tmp_path / 'out').exists() or not list((tmp_path / 'out').iterdir())


# -- whole classifiers -----------------------------------------------------------------------------
@pytest.mark.parametrize('background', [True, False])
def test_ktse(tmp_path, background):
    state = originals.ktse_state(background=background)
    model = network(
        convert(tmp_path, 'ktse', dict(net=state)), SMALL_R38,
        dict(type='GPPHead', num_classes=3, in_channels=32, embed_channels=6,
             background=background))
    x = torch.randn(2, 3, 48, 40)
    out = model(x)
    scores, logits = originals.ktse_forward(state, x, background)
    close(out.scores if background else out.cam, scores)
    close(out.logits, logits)


def test_seam(tmp_path):
    state = originals.seam_state()
    model = network(
        convert(tmp_path, 'seam', state), dict(**SMALL_R38, out_indices=(4, 5, 6)),
        dict(type='SEAMHead', num_classes=3, in_channels=(12, 16, 32), mid_channels=(5, 6),
             pcm_channels=7))
    x = torch.randn(2, 3, 48, 40)
    out = model.extract(x)
    scores, revised = originals.seam_forward(state, x)
    close(out.scores, scores)
    close(out.extra['cam_rv'], revised)


R50 = dict(type='mmpretrain.ResNet', depth=50, strides=(1, 2, 2, 1), frozen_stages=2,
           norm_eval=True, style='pytorch')


@pytest.mark.parametrize('names', ['resnet50', 'stage', 'backbone', 'all'])
def test_irn(tmp_path, names):
    resnet = originals.resnet50_state()
    classifier = originals.conv(4, 2048, 1)
    state = originals.aliased(resnet, dict(classifier=classifier), 1)
    kept = {key: value for key, value in state.items()
            if names == 'all' or key.startswith((names, 'classifier'))}
    converted = convert(tmp_path, 'irn', kept)
    model = network(converted, dict(**R50, out_indices=(3, )),
                    dict(type='GAPHead', num_classes=4, in_channels=2048))
    if names == 'all':
        x = torch.randn(1, 3, 64, 48)
        out = model(x)
        cam = F.conv2d(originals.resnet50_forward(resnet, x)[-1], classifier)
        close(out.cam, cam)
        close(out.logits, cam.mean((2, 3)))


def test_sipe(tmp_path):
    resnet = originals.resnet50_state()
    new = dict(classifier=originals.conv(4, 2048, 1))
    new.update({f'side{i}': originals.conv(o, c, 1) for i, (o, c) in enumerate(
        ((128, 256), (128, 512), (256, 1024), (256, 2048)), 1)})
    model = network(convert(tmp_path, 'sipe', originals.aliased(resnet, new, 0)),
                    dict(**R50, out_indices=(0, 1, 2, 3)), dict(type='SIPEHead', num_classes=4))
    x = torch.randn(1, 3, 64, 48)
    out = model(x)
    stages = originals.resnet50_forward(resnet, x)
    close(out.cam, F.conv2d(stages[-1], new['classifier']))
    sides = [F.conv2d(stage, new[f'side{i}']) for i, stage in enumerate(stages, 1)]
    hierarchical = torch.cat([
        F.interpolate(s / (s.norm(dim=1, keepdim=True) + 1e-5), stages[2].shape[2:],
                      mode='bilinear') for s in sides], 1)
    close(out.extra['hierarchical'], hierarchical)
    seeds = structure_seeds(cam_with_background(out.cam), hierarchical)
    prototypes = (seeds.unsqueeze(2) * hierarchical.unsqueeze(1)).mean((3, 4), keepdim=True)
    want = F.relu(F.cosine_similarity(hierarchical.unsqueeze(1), prototypes, dim=2))
    close(model.head.infer_cam(out), want[:, 1:])


def test_mctformer(tmp_path):
    state = originals.mct_state()
    model = network(
        convert(tmp_path, 'mctformer', dict(model=state)),
        dict(type='MCTDeiT', num_classes=3, img_size=32, embed_dims=12, depth=3, num_heads=6),
        dict(type='MCTHead', num_classes=3, in_channels=12, train_layers=3, infer_layers=2))
    x = torch.randn(2, 3, 32, 32)
    out = model(x)
    for last, cam in ((3, out.cam), (2, model.head.infer_cam(out))):
        logits, patch_logits, want = originals.mct_forward(state, x, last=last)
        close(cam, want)
    close(out.logits, logits)
    close(out.extra['patch_logits'], patch_logits)


# -- the published sizes ---------------------------------------------------------------------------
def light(state):
    """Tensors of the same shapes that take no room in a file."""
    return {key: torch.zeros((), dtype=value.dtype).expand(value.shape)
            for key, value in state.items()}


def sipe_convs():
    shapes = dict(classifier=(20, 2048), side1=(128, 256), side2=(128, 512), side3=(256, 1024),
                  side4=(256, 2048))
    return {name: originals.conv(*shape, 1) for name, shape in shapes.items()}


@pytest.mark.parametrize('name, config, make', [
    ('ktse', 'ktse/ktse_r38_voc', lambda: originals.ktse_state(ResNet38d.WIDTHS, 20, 256)),
    ('ktse', '_base_/models/gpp_r38',
     lambda: originals.ktse_state(ResNet38d.WIDTHS, 20, 256, False)),
    ('seam', '_base_/models/seam_r38',
     lambda: originals.seam_state(ResNet38d.WIDTHS, 20, (64, 128), 192)),
    ('irn', '_base_/models/irn_r50', lambda: originals.aliased(
        originals.resnet50_state(), dict(classifier=originals.conv(20, 2048, 1)), 1)),
    ('sipe', '_base_/models/sipe_r50',
     lambda: originals.aliased(originals.resnet50_state(), sipe_convs(), 0)),
    ('mctformer', '_base_/models/mctformer_v2', lambda: originals.mct_state(20, 384, 12, 14))])
def test_public_sizes_fit_the_configs(tmp_path, name, config, make):
    with torch.device('meta'):
        state = make()
    state = convert(tmp_path, name, light(state))
    cfg = Config.fromfile(ROOT / f'configs/{config}.py').model
    # mmpretrain's networks compute with tensors while they are built.
    with torch.device('cpu' if 'r50' in config else 'meta'):
        model = MODELS.build(cfg)
    wanted = {key: value.shape for key, value in model.state_dict().items()}
    assert {key: value.shape for key, value in state.items()} == wanted


# -- bad input -------------------------------------------------------------------------------------
@pytest.mark.parametrize('change, words', [
    (lambda s: s.pop('b4_2.conv_branch2a.weight'), 'missing.*stage4.2.conv1.weight'),
    (lambda s: s.pop('bn7.weight'), 'missing.*norm.weight'),
    (lambda s: s.pop('fc9.weight'), 'lacks.*head.classifier.weight'),
    (lambda s: s.update({'b9.conv.weight': torch.ones(1)}), 'unknown key.*b9.conv.weight'),
    (lambda s: s.update({'b4_2.bn_branch2a.weight': torch.ones(5)}), r'wrong shapes.*\(5,\)')])
def test_unfit_checkpoint_is_refused_whole(tmp_path, change, words, refused):
    state = originals.ktse_state()
    change(state)
    with refused(f'src.pth.*{words}'):
        convert(tmp_path, 'ktse', state)
    assert not (tmp_path / 'out').exists()


def test_contradicting_names_are_refused(tmp_path, refused):
    state = originals.aliased(light(originals.resnet50_state()),
                              dict(classifier=torch.zeros(2, 2048, 1, 1)), 1)
    state['stage1.0.weight'] = torch.ones(64, 3, 7, 7)
    with refused('two different weights.*conv1.weight'):
        convert(tmp_path, 'irn', state)


def test_as_a_process_with_a_hostile_file(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'executed'), )

    src, dst = tmp_path / 'evil.pth', tmp_path / 'dst.pth'
    src.write_bytes(pickle.dumps(dict(state_dict=Hostile())))
    done = subprocess.run(
        [sys.executable, TOOLS / 'seam_to_mmwsss.py', src, dst], capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 2 and 'evil.pth' in done.stderr and 'Traceback' not in done.stderr
    assert not dst.exists() and not (tmp_path / 'executed').exists()


def test_efficientnet_lite_to_timm(tmp_path):
    timm = pytest.importorskip('timm')
    spec = importlib.util.spec_from_file_location('lite', TOOLS / 'efficientnet_lite_to_timm.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = timm.create_model('tf_efficientnet_lite0')
    # The public port: other names, the order of execution.
    parts = dict(conv_stem='_conv_stem', conv_head='_conv_head', classifier='_fc', blocks='_blocks')
    original = {}
    for i, (name, value) in enumerate(net.state_dict().items()):
        root, rest = name.split('.', 1)
        original[f'{parts.get(root, "_" + root)}.{i}.{rest}'] = value
    torch.save(original, tmp_path / 'src.pth')
    module.run_converter(module.convert, '', [str(tmp_path / 'src.pth'), str(tmp_path / 'dst.pth')])
    state = load_checkpoint_safely(tmp_path / 'dst.pth')['state_dict']
    assert list(state) == list(net.state_dict())
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())

    swapped = dict(original)
    first, second = [name for name in original if name.endswith(('bias', 'running_mean'))][:2]
    swapped = {{first: second, second: first}.get(name, name): value
               for name, value in original.items()}
    torch.save(swapped, tmp_path / 'src.pth')
    with pytest.raises(ValueError, match='stands where the network has'):
        module.convert(str(tmp_path / 'src.pth'))
    original.pop(first)
    torch.save(original, tmp_path / 'src.pth')
    with pytest.raises(ValueError, match='none of'):
        module.convert(str(tmp_path / 'src.pth'))
