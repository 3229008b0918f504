import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmwsss.models.backbones import TimmBackbone
from mmwsss.registry import MODELS
from mmwsss.utils import register_all_modules

timm = pytest.importorskip('timm')
ROOT = Path(__file__).parents[3]
LITE = 'tf_efficientnet_lite0'


def lite(**options):
    return MODELS.build(dict(type='TimmBackbone', model=LITE, **options))


@pytest.mark.parametrize(('stride', 'sides'), [(8, 8), (16, 4), (32, 2), (None, 2)])
def test_output_stride_and_channels(stride, sides):
    net = lite(output_stride=stride, out_indices=(1, -1, 3)).eval()
    with torch.no_grad():
        maps = net(torch.rand(1, 3, 64, 64))
    assert [x.shape[1] for x in maps] == [24, 1280, 112] == list(net.feat_channels)
    assert maps[0].shape[-1] == 16 and maps[1].shape[-1] == sides
    assert net.out_channels == 112


def test_maps_are_those_of_timm_and_weights_load(tmp_path):
    torch.manual_seed(0)
    full = timm.create_model(LITE, output_stride=16).eval()
    torch.save(full.state_dict(), tmp_path / 'a.pth')
    net = lite(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth')))
    net.init_weights()
    x = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(x)[0], full.forward_features(x))

    state = full.state_dict()
    del state['blocks.1.0.conv_pw.weight']
    torch.save(state, tmp_path / 'b.pth')
    net = lite(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'b.pth')))
    with pytest.raises(ValueError, match=r'missing .*blocks\.1\.0\.conv_pw'):
        net.init_weights()


def test_frozen_stages_and_norms():
    net = lite(frozen_stages=2).train()
    trained = {name.split('.', 1)[1] for name, p in net.named_parameters() if p.requires_grad}
    assert not [name for name in trained if 'bn' in name]  # every affine parameter is frozen
    assert not [name for name in trained if name.startswith(('conv_stem', 'blocks.0', 'blocks.1'))]
    blocks = [f'blocks.{i}' for i in range(2, 7)]
    assert {name.rsplit('.', 3)[0] for name in trained if 'blocks' in name} >= set(blocks)
    assert 'conv_head.weight' in trained
    assert not any(m.training for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))

    seen = {}
    for name in ('blocks.1', 'blocks.2'):
        net.model.get_submodule(name).register_forward_hook(
            lambda module, _, out, name=name: seen.update({name: out.grad_fn}))
    net(torch.rand(1, 3, 32, 32))
    assert seen['blocks.1'] is None and seen['blocks.2'] is not None  # no graph up to stage 2
    image = torch.rand(1, 3, 32, 32, requires_grad=True)  # adversarial images keep their gradient
    net(image)[0].sum().backward()
    assert image.grad.abs().sum() > 0

    free = lite(norm_eval=False).train()
    assert all(p.requires_grad for p in free.parameters())
    assert all(m.training for m in free.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_other_families():
    net = TimmBackbone('resnet18', out_indices=(2, 4), frozen_stages=1).eval()
    with torch.no_grad():
        assert [tuple(x.shape) for x in net(torch.rand(1, 3, 64, 64))] == [
            (1, 128, 8, 8), (1, 512, 4, 4)]
    # Stage 0 of timm's ResNets is the stem.
    frozen = {name.split('.')[1] for name, p in net.named_parameters()
              if not p.requires_grad and 'bn' not in name and 'downsample' not in name}
    assert frozen == {'conv1'}


@pytest.mark.parametrize(('options', 'message'), [
    (dict(model='tf_efficientnet_lite00'), 'no model .*did you mean .*tf_efficientnet_lite0'),
    (dict(model='mobilenetv3_small_100'), 'another output_stride'),
    (dict(model=LITE, out_indices=(5, )), 'stages 0 to 4, or -1'),
    (dict(model=LITE, frozen_stages=6), 'frozen_stages=6'),
])
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        TimmBackbone(**options)


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ImportError, match='pip install timm'):
        TimmBackbone(LITE)


def test_the_example_config(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    register_all_modules()
    cfg = Config.fromfile(ROOT / 'projects/voc_animals/configs/cam_voc6.py')
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    with torch.no_grad():
        assert model.eval().extract(torch.rand(1, 3, 64, 64)).cam.shape == (1, 6, 4, 4)
    # lr_mult reaches the CAM head and nothing of the backbone.
    keys = list(cfg.optim_wrapper.paramwise_cfg.custom_keys)
    reached = {name for name, _ in model.named_parameters() if any(key in name for key in keys)}
    assert reached == {'head.embed.weight', 'head.classifier.weight'}
