"""BECO against plain loops of its rules."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmwsss.engine import CoTrainingHook
from mmwsss.models.segmentors import beco as beco_module
from mmwsss.models.segmentors.beco import (
    beco_loss,
    boundary_band,
    class_mix,
    paste_region,
    strong_colour,
)
from mmwsss.registry import MODELS

CONFIGS = Path(__file__).parents[3] / 'configs'


@pytest.mark.parametrize('classes, count', [((1, ), 1), ((1, 2), 1), ((1, 2, 3), 2), ((), 0)])
def test_half_of_the_objects_are_pasted(classes, count):
    labels = torch.tensor([0, 255, *classes]).repeat(4, 1)
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        region = paste_region(labels)
        pasted = tuple(sorted(set(labels[region].tolist())))
        assert len(pasted) == count and set(pasted) <= set(classes)
        assert all(region[y, x] == (labels[y, x].item() in pasted)
                   for y in range(4) for x in range(labels.shape[1]))
        seen.add(pasted)
    assert len(seen) == math.comb(len(classes), count)


def test_every_object_is_pasted_as_often():
    torch.manual_seed(0)
    labels = torch.tensor([[0, 3, 9, 254, 255]])
    share = torch.stack([paste_region(labels)[0] for _ in range(600)]).float().mean(0)
    assert share[0] == share[4] == 0
    torch.testing.assert_close(share[1:4], torch.full((3, ), 2 / 3), atol=0.08, rtol=0)


@pytest.mark.parametrize('online', [False, True])
def test_mixing_does_not_wait_for_the_device(online):
    images, labels = torch.zeros(4, 3, 6, 7), torch.zeros(4, 6, 7, dtype=torch.long)
    images, labels = images.to('meta'), labels.to('meta')
    mixed = class_mix(images, labels, labels if online else None, prob=1.)
    assert all(x.is_meta for x in mixed)


def test_threads_are_kept(monkeypatch):
    made = []

    class Pool(beco_module.ThreadPoolExecutor):

        def __init__(self):
            made.append(self)
            super().__init__(1)

    beco_module._threads.cache_clear()
    monkeypatch.setattr(beco_module, 'ThreadPoolExecutor', Pool)
    model = beco()
    for _ in range(2):
        model._augment(torch.zeros(2, 3, 8, 8))
    assert len(made) == 1
    beco_module._threads.cache_clear()


@pytest.mark.parametrize('size', [1, 2])
def test_boundary(size):
    region = torch.rand(9, 11) > 0.7
    region[:, 6:] = True
    for y in range(9):
        for x in range(11):
            near = region[max(0, y - size):y + size + 1, max(0, x - size):x + size + 1]
            assert boundary_band(region, size)[y, x] == bool(near.any() and not near.all())
    assert not boundary_band(torch.ones(4, 4, dtype=torch.bool)).any()


@pytest.mark.parametrize('with_online', [False, True])
def test_mix(with_online):
    images = torch.randn(4, 3, 6, 7)
    labels = torch.tensor([0, 1, 2, 255])[torch.randint(0, 4, (4, 6, 7))]
    # One class an image, so that it is known what is pasted.
    online = torch.where(torch.rand(4, 6, 7) < .5, torch.arange(1, 5)[:, None, None], 255)
    source = online if with_online else labels.where(labels != 2, 1)
    labels = labels if with_online else source
    got = class_mix(images, labels, online if with_online else None, prob=1.)
    for i, j in enumerate((2, 3, 0, 1)):
        pasted = {j + 1} if with_online else {1}
        region = torch.tensor([[source[j, y, x].item() in pasted for x in range(7)]
                               for y in range(6)])
        for y in range(6):
            for x in range(7):
                origin = j if region[y, x] else i
                assert torch.equal(got[0][i, :, y, x], images[origin, :, y, x])
                assert got[1][i, y, x] == source[origin, y, x]
        band = boundary_band(region) if with_online else torch.zeros(6, 7, dtype=torch.bool)
        assert torch.equal(got[2][i], band)


def test_unmixed_images_keep_their_labels():
    images, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    got = class_mix(images, labels, torch.full_like(labels, 2), prob=0.)
    assert torch.equal(got[0], images) and torch.equal(got[1], labels) and not got[2].any()
    with pytest.raises(ValueError, match='batch has 3'):
        class_mix(torch.randn(3, 3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.long))


def test_loss_is_the_plain_sum():
    logits = torch.randn(2, 2, 3, 4, 5)
    labels = torch.tensor([0, 1, 2, 255])[torch.randint(0, 4, (2, 4, 5))]
    boundary = torch.rand(2, 4, 5) < 0.3
    ce = cross = 0.
    for own, other in ((0, 1), (1, 0)):
        for n in range(2):
            for y in range(4):
                for x in range(5):
                    scores = logits[own, n, :, y, x].tolist()
                    norm = math.log(sum(math.exp(score) for score in scores))
                    if labels[n, y, x] != 255:
                        weight = 1.2 if boundary[n, y, x] else 1.
                        ce += weight * (norm - scores[labels[n, y, x]])
                    else:
                        cross += norm - scores[int(logits[other, n, :, y, x].argmax())]
    got = beco_loss(*logits, labels, boundary, 0.2)
    assert got['loss_ce'].item() == pytest.approx(ce / 40, rel=1e-5)
    assert got['loss_cross'].item() == pytest.approx(cross / 40, rel=1e-5)


def test_no_gradient_through_the_others_labels():
    first, second = torch.randn(2, 2, 3, 4, 4).requires_grad_()
    labels = torch.full((2, 4, 4), 255)
    loss = beco_loss(first, second, labels, torch.zeros_like(labels))
    assert loss['loss_ce'].item() == 0
    only_first = torch.nn.functional.cross_entropy(first, second.argmax(1))
    want, = torch.autograd.grad(only_first, first, retain_graph=True)
    got, = torch.autograd.grad(loss['loss_cross'], first)
    torch.testing.assert_close(got, want)


def test_strong_colour():
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    kinds = dict(same=0, grey=0)
    for seed in range(300):
        changed = strong_colour(image, np.random.default_rng(seed))
        assert changed.shape == image.shape and changed.dtype == np.uint8
        kinds['same'] += np.array_equal(changed, image)
        kinds['grey'] += bool((np.ptp(changed, axis=2) == 0).all())
    assert 0.03 < kinds['same'] / 300 < 0.14  # .2 * .8 * .5
    assert 0.13 < kinds['grey'] / 300 < 0.27


def beco(**options):
    init_default_scope('mmwsss')
    cfg = Config.fromfile(CONFIGS / 'beco/beco_small_shapes.py')
    cfg.merge_from_dict(dict(model=dict(
        backbone=dict(stem_channels=4, base_channels=4),
        decode_head=dict(num_classes=3, in_channels=16), **options)))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model


def batch(count=2, size=32):
    labels = torch.tensor([0, 1, 2, 255])[torch.randint(0, 4, (count, 1, size, size))]
    return torch.randn(count, 3, size, size), [
        SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def test_two_networks_that_start_apart():
    model = beco()
    first, second = (dict(m.named_parameters()) for m in (
        model.decode_head, model.peer.decode_head))
    assert first.keys() == second.keys()
    assert not torch.equal(first['branches.0.weight'], second['branches.0.weight'])
    losses = model.loss(*batch())
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_online_labels_are_the_sure_ones_of_both():
    model = beco(confidence=0.4)
    x = torch.randn(2, 3, 32, 40)
    got = model.online_labels(x)
    assert model.training and model.peer.training
    model.eval()
    with torch.no_grad():
        mean = sum(torch.nn.functional.interpolate(
            net.decode_head(net.backbone(x)), (32, 40), mode='bilinear', align_corners=False)
            for net in (model, model.peer)) / 2
    prob, label = mean.softmax(1).max(1)
    assert torch.equal(got, torch.where(prob > 0.4, label, 255))


@torch.no_grad()
@pytest.mark.parametrize('test_cfg', [
    dict(mode='whole'), dict(mode='slide', crop_size=(32, 32), stride=(16, 16))])
def test_predicts_the_mean_of_both(test_cfg):
    model = beco(test_cfg=dict(_delete_=True, **test_cfg)).eval()
    x = torch.randn(1, 3, 32, 32)
    mean = sum(torch.nn.functional.interpolate(
        net.decode_head(net.backbone(x)), (32, 32), mode='bilinear', align_corners=False)
        for net in (model, model.peer)) / 2
    meta = dict(ori_shape=(32, 32), img_shape=(32, 32))
    sample, = model.predict(x, [SegDataSample(metainfo=meta)])
    torch.testing.assert_close(sample.seg_logits.data, mean[0])


def test_the_hook_ends_the_warm_up():
    model = beco()
    runner = SimpleNamespace(model=model, epoch=0, iter=0)
    hook = CoTrainingHook(warm_up=2)
    hook.before_train(runner)
    for epoch, online in ((0, False), (1, False), (2, True), (5, True)):
        runner.epoch = epoch
        hook.before_train_iter(runner, 0)
        assert model.online is online
    runner.iter = 7
    CoTrainingHook(warm_up=8, by_epoch=False).before_train_iter(runner, 0)
    assert model.online is False
    with pytest.raises(ValueError, match='BECOSegmentor'):
        hook.before_train(SimpleNamespace(model=torch.nn.Linear(1, 1)))


@pytest.mark.parametrize('options', [
    dict(train_scales=(0.5, )), dict(auxiliary_head=dict(
        type='mmseg.FCNHead', in_channels=16, channels=4, in_index=0, num_classes=3,
        loss_decode=dict(type='mmseg.CrossEntropyLoss')))])
def test_options_that_it_lacks(options):
    with pytest.raises(ValueError, match='train_scales'):
        beco(**options)


@pytest.mark.slow
def test_trains_through_the_runner(tmp_path, tiny):
    cfg = Config.fromfile(CONFIGS / 'beco/beco_small_shapes.py')
    tiny(cfg)
    cfg.train_cfg.update(max_iters=80, val_interval=80)
    cfg.param_scheduler[-1].end = 80
    cfg.custom_hooks[0].warm_up = 60
    cfg.work_dir = str(tmp_path / 'work')
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.model.online
    assert runner.test()['mIoU'] > 50  # 18 or less without training
