from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.structures import SegDataSample
from PIL import Image

import mmwsss.engine  # noqa: F401  (registers)
import mmwsss.models  # noqa: F401
from mmwsss.models.segmentors import DeepLabV1Head, DeepLabV2Head
from mmwsss.registry import MODELS
from mmwsss.utils import check_pretrained

CONFIGS = Path(__file__).parents[3] / 'configs'


def test_v2_head_is_the_sum_of_dilated_convolutions():
    head = DeepLabV2Head(8, num_classes=5, dilations=(1, 2, 3))
    head.init_weights()
    for branch in head.branches:
        torch.nn.init.normal_(branch.bias)
    x = torch.randn(2, 8, 9, 7)
    expected = 0
    for rate, branch in zip((1, 2, 3), head.branches):
        padded = F.pad(x, (rate,) * 4)
        result = branch.bias[None, :, None, None]
        for i in range(3):
            for j in range(3):
                part = padded[:, :, i * rate:i * rate + 9, j * rate:j * rate + 7]
                result = result + torch.einsum('nchw,oc->nohw', part, branch.weight[:, :, i, j])
        expected = expected + result
    torch.testing.assert_close(head([x]), expected)


def test_v2_head_starts_as_published():
    head = DeepLabV2Head(256, num_classes=21)
    head.init_weights()
    assert [branch.dilation for branch in head.branches] == [(r, r) for r in (6, 12, 18, 24)]
    for branch in head.branches:
        assert branch.weight.std().item() == pytest.approx(0.01, rel=0.05)
        assert branch.bias.abs().max() == 0
    assert not hasattr(head, 'conv_seg')  # nothing without gradient for DDP to wait for


def test_v1_head():
    head = DeepLabV1Head(8, num_classes=5, channels=16)
    assert head([torch.randn(2, 8, 6, 7)]).shape == (2, 5, 6, 7)
    assert head.convs[0].conv.dilation == (12, 12) and head.convs[0].conv.bias is None
    assert head.dropout.p == 0.5


@pytest.mark.parametrize('name', ['DeepLabV1Head', 'DeepLabV2Head', 'MSCEncoderDecoder'])
def test_found_from_both_scopes(name):
    assert MODELS.get(name) is MMSEG_MODELS.get(name) is not None


def small_model(**options):
    init_default_scope('mmwsss')
    cfg = Config.fromfile(CONFIGS / '_base_/segmentors/deeplabv2_r18_cpu.py')
    cfg.merge_from_dict(dict(model=dict(
        backbone=dict(stem_channels=4, base_channels=4),
        decode_head=dict(num_classes=3, in_channels=16), **options)))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for branch in model.decode_head.branches:
        torch.nn.init.normal_(branch.weight, std=0.5)
    return model.eval()


def views(model, x, scales, flip):
    size = x.shape[2:]
    for scale in scales:
        small = F.interpolate(
            x, tuple(round(s * scale) for s in size), mode='bilinear', align_corners=False)
        for mirrored in (False, True) if flip else (False,):
            logits = model.decode_head(model.backbone(small.flip(3) if mirrored else small))
            logits = F.interpolate(logits, size, mode='bilinear', align_corners=False)
            yield logits.flip(3) if mirrored else logits


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('merge', ['logits', 'prob', 'max', 'prob_max'])
@torch.no_grad()
def test_multi_scale_testing(merge, flip):
    scales = (0.5, 1.0, 1.25)
    model = small_model(test_cfg=dict(scales=scales, merge=merge, flip=flip))
    x = torch.randn(2, 3, 24, 40)
    each = torch.stack(list(views(model, x, scales, flip)))
    expected = dict(
        logits=each.mean(0), max=each.amax(0), prob=each.softmax(2).mean(0).log(),
        prob_max=each.softmax(2).amax(0).log())[merge]
    torch.testing.assert_close(model.whole_inference(x, []), expected)


@torch.no_grad()
def test_one_scale_is_mmseg():
    model = small_model()
    x = torch.randn(1, 3, 32, 48)
    meta = dict(ori_shape=(64, 96), img_shape=(32, 48))
    sample, = model.predict(x, [SegDataSample(metainfo=meta)])
    logits = F.interpolate(
        model.encode_decode(x, [meta]), (64, 96), mode='bilinear', align_corners=False)
    assert torch.equal(sample.pred_sem_seg.data, logits[0].argmax(0, keepdim=True))


def test_multi_scale_training_loss():
    model = small_model(train_scales=(0.75, 0.5))
    x, gt = torch.randn(2, 3, 32, 32), torch.randint(0, 3, (2, 32, 32))
    gt[:, :3] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in gt]
    losses = model.loss(x, samples)

    logits = [model.decode_head(model.backbone(x))]
    for size in (24, 16):
        small = F.interpolate(x, (size, size), mode='bilinear', align_corners=False)
        logits.append(model.decode_head(model.backbone(small)))
    top = logits[0]
    for x in logits[1:]:
        top = torch.maximum(
            top, F.interpolate(x, top.shape[2:], mode='bilinear', align_corners=False))
    total = 0
    for logit in (*logits, top):
        side = logit.shape[-1]
        picked = torch.tensor([int((i + 0.5) * 32 / side) for i in range(side)])
        target = gt[:, picked][:, :, picked]
        log_prob = logit.log_softmax(1)
        valid = target != 255
        nll = -log_prob.gather(1, target.masked_fill(~valid, 0)[:, None])[:, 0]
        total = total + (nll * valid).sum() / valid.sum()
    ours = sum(value for name, value in losses.items() if 'loss' in name)
    assert set(name.rsplit('.', 1)[0] for name in losses) == {
        'decode_x1', 'decode_x0.75', 'decode_x0.5', 'decode_max'}
    torch.testing.assert_close(ours, total)


@pytest.mark.parametrize('options, message', [
    (dict(test_cfg=dict(merge='mean')), 'merge'),
    (dict(test_cfg=dict(scale=(1,))), 'no option'),
    (dict(test_cfg=dict(scales=(0.,))), 'scales'),
    (dict(test_cfg=dict(mode='slide', flip=True)), 'slide'),
    (dict(test_cfg=dict(crf='dense')), 'CRF preset'),
    (dict(train_scales=(-1,)), 'train_scales'),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        small_model(**options)


def test_crf_needs_the_image():
    pytest.importorskip('pydensecrf')
    model = small_model(test_cfg=dict(crf=dict(iters=1)))
    with torch.no_grad(), pytest.raises(ValueError, match='img_path'):
        model.predict(torch.randn(1, 3, 16, 16))


def test_crf_at_the_size_of_the_image(tmp_path):
    pytest.importorskip('pydensecrf')
    from mmwsss.models.refiners import DenseCRF
    options = dict(iters=2, bilateral_sxy=20, bilateral_srgb=5)
    drawn = np.zeros((20, 30, 3), np.uint8)
    drawn[:, 15:] = 200
    Image.fromarray(drawn).save(tmp_path / 'x.png')
    x = torch.randn(1, 3, 16, 24)
    meta = dict(ori_shape=(20, 30), img_shape=(16, 24), img_path=str(tmp_path / 'x.png'))
    with torch.no_grad():
        plain, = small_model().predict(x, [SegDataSample(metainfo=meta)])
        refined, = small_model(test_cfg=dict(crf=options)).predict(
            x, [SegDataSample(metainfo=meta)])
    prob = plain.seg_logits.data.softmax(0).numpy()
    expected = torch.as_tensor(DenseCRF(**options)(drawn, prob))
    torch.testing.assert_close(refined.seg_logits.data.exp(), expected.float(), atol=1e-5, rtol=0)
    assert torch.equal(refined.pred_sem_seg.data[0], expected.argmax(0))


SMALL = dict(  # the same parts, narrow
    DeepLabResNet=dict(stem_channels=4, base_channels=4, depth=50),
    ResNet38d=dict(width=1 / 32),
    Xception65=dict(width=1 / 16, middle_blocks=1),
    VGG16LargeFOV=dict(fc_channels=8, width=1 / 16))
CHANNELS = dict(DeepLabResNet=(128, 16), ResNet38d=(128, 0), Xception65=(128, 16),
                VGG16LargeFOV=(8, 0))


def trained_configs():
    """All but those that differ in their test only."""
    return [path for folder in ('deeplab', 'beco')
            for path in sorted((CONFIGS / folder).glob('*.py')) if 'msc-crf' not in path.name]


@pytest.mark.parametrize('path', trained_configs(), ids=lambda p: p.stem)
def test_every_config_trains_two_steps(path):
    """At reduced width; names, channels, parameter groups and pipelines must fit together."""
    init_default_scope('mmwsss')
    cfg = Config.fromfile(path)
    crop = [step.get('crop_size') or (step.size, step.size)
            for step in cfg.train_dataloader.dataset.pipeline
            if step.type in ('mmseg.RandomCrop', 'RandomResizedCrop')]
    assert [tuple(cfg.model.data_preprocessor.size)] == [tuple(size) for size in crop]
    assert cfg.train_cfg.get('max_iters') or cfg.train_cfg.max_epochs
    assert 'end' not in cfg.param_scheduler[-1]  # it ends with the training
    if cfg.model.backbone.get('init_cfg'):
        assert cfg.model.backbone.init_cfg.checkpoint.startswith('pretrain/')
    keys = cfg.optim_wrapper.get('paramwise_cfg', {}).get('custom_keys', {})
    cfg.model.backbone.init_cfg = None
    kind = cfg.model.backbone.type
    if kind in SMALL:
        cfg.model.backbone.update(SMALL[kind])
        head = cfg.model.decode_head
        head.in_channels, low = CHANNELS[kind]
        if 'c1_in_channels' in head:
            head.c1_in_channels = low
        if head.type.startswith('mmseg.'):
            head.channels = 8
    model = MODELS.build(cfg.model)
    names = [name for name, _ in model.named_parameters()]
    for key in keys:
        assert any(key in name for name in names), f'{key} matches no parameter'
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = [p.detach().clone() for p in model.decode_head.parameters()]
    label = torch.zeros(1, 65, 65, dtype=torch.long)
    label[:, 20:40] = 1
    data = dict(inputs=torch.randn(2, 3, 65, 65), data_samples=[
        SegDataSample(gt_sem_seg=PixelData(data=label)) for _ in range(2)])
    for online in (False, True):
        if hasattr(model, 'online'):
            model.online = online
        loss, _ = model.parse_losses(model.loss(**data))
        assert loss.isfinite()
        optim_wrapper.update_params(loss)
    empty = [SegDataSample(gt_sem_seg=PixelData(data=torch.zeros_like(label))) for _ in range(2)]
    loss, _ = model.parse_losses(model.loss(data['inputs'], empty))  # images of no class
    assert loss.isfinite()
    assert any(not torch.equal(a, b) for a, b in zip(before, model.decode_head.parameters()))


@pytest.mark.parametrize('name, how', [
    ('deeplab/deeplabv1_r38_voc', 'resnet38d_to_mmwsss.py'),
    ('deeplab/deeplabv1_r38_mct_voc', 'res38_cls.pth'),
    ('deeplab/deeplabv2_r50_voc', 'resnet50-0676ba61.pth'),
    ('deeplab/deeplabv2_r101_voc', 'resnet101-63fe2227.pth'),
    ('deeplab/deeplabv2_r101_voc_coco-init', 'deeplabv2_to_mmwsss.py'),
    ('deeplab/deeplabv2-aspp_r101_voc', 'resnet101_v1c-e67eebb6.pth'),
    ('deeplab/deeplabv3plus_x65_voc', 'tf_xception_65-c9ae96e8.pth'),
    ('deeplab/deeplabv1_vgg16_coco', 'vgg16-397923af.pth'),
    ('beco/beco_r101_voc', 'resnet101-63fe2227.pth')])
def test_absent_weights_are_one_line(name, how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=how) as error:
        check_pretrained(Config.fromfile(CONFIGS / f'{name}.py'))
    assert 'model.backbone.init_cfg' in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize(
    'path', [path for folder in ('deeplab', 'beco')
             for path in sorted((CONFIGS / folder).glob('*msc-crf.py'))], ids=lambda p: p.stem)
def test_test_configs_change_the_test_alone(path):
    cfg, base = Config.fromfile(path), Config.fromfile(
        path.with_name(path.name.replace('_msc-crf', '')))
    test = cfg.model.pop('test_cfg')
    assert len(test.scales) >= 3 and test.crf in ('deeplab', 'mct_seg')
    base.model.pop('test_cfg')
    assert cfg.to_dict() == base.to_dict()


@pytest.mark.slow
def test_trains_and_validates_through_the_runner(tmp_path, tiny):
    cfg = Config.fromfile(CONFIGS / 'deeplab/deeplabv2_small_shapes.py')
    tiny(cfg)
    cfg.train_cfg.update(max_iters=40, val_interval=40)
    cfg.param_scheduler[-1].end = 40
    cfg.work_dir = str(tmp_path / 'work')
    cfg.randomness = dict(seed=0)
    runner = Runner.from_cfg(cfg)
    runner.train()
    metrics = runner.test()
    assert metrics['mIoU'] > 60  # 18 or less without training
