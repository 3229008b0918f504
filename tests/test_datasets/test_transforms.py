import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmwsss.datasets import sample_rng
from mmwsss.datasets.transforms.colour import COLOUR_OPS
from mmwsss.registry import TRANSFORMS

FILL = dict(gt_seg_map=255, prior_mask=255, saliency=0)


def _results(height, width):
    """An image whose channels are the place of a pixel, and maps equal to them."""
    ys, xs = np.mgrid[:height, :width].astype(np.uint8)
    image = np.stack([ys + 1, xs + 1, np.full_like(ys, 7)], 2)
    return dict(img=image, gt_seg_map=ys + 1, prior_mask=xs + 1, saliency=ys + 1,
                views=dict(strong=image + 1))


def _aligned(results):
    """Maps still say what the image shows, and padding is padding."""
    image = results['img']
    height, width = image.shape[:2]
    top, left, h, w = results.get('valid_box', (0, 0, height, width))
    valid = np.zeros((height, width), bool)
    valid[top:top + h, left:left + w] = True
    assert results['img_shape'] == (height, width)
    np.testing.assert_array_equal(results['views']['strong'][valid], image[valid] + 1)
    channel = dict(gt_seg_map=0, prior_mask=1, saliency=0)
    for key, fill in FILL.items():
        assert results[key].shape == (height, width)
        np.testing.assert_array_equal(results[key][valid], image[..., channel[key]][valid])
        assert (results[key][~valid] == fill).all()
    assert (image[..., 2][valid] == 7).all() and (image[..., 2][~valid] == 0).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 40), st.integers(3, 40), st.integers(1, 40), st.integers(1, 40),
       st.integers(0, 10**6), st.booleans())
def test_crop_and_flip_move_maps_with_the_image(height, width, rows, cols, seed, flip_first):
    crop = TRANSFORMS.build(dict(type='RandomPadCrop', size=(rows, cols)))
    flip = TRANSFORMS.build(dict(type='RandomFlip', prob=0.5))
    results = _results(height, width)
    with sample_rng(seed):
        for transform in ((flip, crop) if flip_first else (crop, flip)):
            results = transform(results)
    assert results['img'].shape[:2] == (rows, cols)
    assert ('valid_box' in results) == (height < rows or width < cols)
    _aligned(results)


def test_crop_reaches_every_place():
    crop = TRANSFORMS.build(dict(type='RandomPadCrop', size=6))
    boxes, corners = set(), set()
    with sample_rng(0):
        for _ in range(200):
            boxes.add(crop(_results(4, 6))['valid_box'])
            corners.add(tuple(crop(_results(8, 7))['img'][0, 0, :2]))
    assert boxes == {(t, 0, 4, 6) for t in range(3)}
    assert corners == {(y, x) for y in (1, 2, 3) for x in (1, 2)}


def test_flip_probability():
    flip = TRANSFORMS.build(dict(type='RandomFlip', prob=1.))
    results = flip(dict(_results(4, 6), valid_box=(0, 1, 4, 2)))
    assert results['flip'] is True and results['valid_box'] == (0, 3, 4, 2)
    assert results['img'][0, 0, 1] == 6
    assert TRANSFORMS.build(dict(type='RandomFlip', prob=0.))(_results(4, 6))['flip'] is False


def test_resize_long_is_uniform_and_keeps_the_ratio():
    resize = TRANSFORMS.build(dict(type='ResizeLong', long=(20, 23)))
    seen = set()
    with sample_rng(1):
        for _ in range(80):
            results = resize(_results(10, 15))
            height, width = results['img_shape']
            seen.add(width)
            assert abs(height - width * 10 / 15) <= 0.5
            assert results['gt_seg_map'].shape == (height, width)
    assert seen == {20, 21, 22, 23}


@pytest.mark.parametrize('transform, filter', [
    (dict(type='ResizeLong', long=30), Image.Resampling.BICUBIC),
    (dict(type='ResizeShort', short=20), Image.Resampling.BICUBIC),
    (dict(type='RandomScale', ratio=(0.5, 0.5)), Image.Resampling.BICUBIC),
    (dict(type='RandomResizedCrop', size=20, scale=(1., 1.), ratio=(1.5, 1.5)),
     Image.Resampling.BILINEAR)])
def test_resizing_filters_as_the_originals_do(transform, filter):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    found = TRANSFORMS.build(transform)(dict(img=image))['img']
    size = found.shape[1::-1]
    assert size in ((30, 20), (20, 20))
    expected = np.asarray(Image.fromarray(image).resize(size, filter))
    np.testing.assert_array_equal(found, expected)
    coarse = TRANSFORMS.build(dict(transform, backend='cv2'))(dict(img=image))['img']
    assert np.abs(coarse.astype(int) - expected).mean() > 10
    with pytest.raises(ValueError, match="backend='pil' must be"):
        TRANSFORMS.build(dict(transform, backend='pil'))


def test_resize_of_maps_is_centred():
    """Nearest neighbour at pixel centres, as the image's interpolation."""
    resize = TRANSFORMS.build(dict(type='ResizeLong', long=24))
    results = _results(8, 8)
    results['gt_seg_map'] = np.repeat(np.arange(8, dtype=np.uint8)[None], 8, 0)
    out = resize(results)['gt_seg_map']
    np.testing.assert_array_equal(out[0], np.repeat(np.arange(8), 3))


def test_resize_short_and_random_scale():
    assert TRANSFORMS.build(dict(type='ResizeShort', short=20))(_results(10, 15))['img_shape'] == (
        20, 30)
    scale = TRANSFORMS.build(dict(type='RandomScale', ratio=(0.5, 1.3)))
    with sample_rng(0):
        heights = [scale(_results(40, 40))['img_shape'][0] for _ in range(100)]
    assert min(heights) < 24 and max(heights) > 48 and 20 <= min(heights) <= max(heights) <= 52


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 60), st.integers(4, 60), st.integers(0, 10**6))
def test_random_resized_crop_window(height, width, seed):
    transform = TRANSFORMS.build(dict(type='RandomResizedCrop', size=9))
    with sample_rng(seed):
        top, left, h, w = transform.window(height, width)
        results = transform(_results(height, width))
    assert 0 <= top <= top + h <= height and 0 <= left <= left + w <= width and h and w
    assert results['img'].shape == (9, 9, 3) and results['saliency'].shape == (9, 9)


def test_random_resized_crop_areas():
    transform = TRANSFORMS.build(dict(type='RandomResizedCrop', size=9, scale=(0.08, 1.)))
    with sample_rng(0):
        areas = [np.prod(transform.window(300, 300)[2:]) / 9e4 for _ in range(400)]
    assert 0.07 < min(areas) < 0.15 and max(areas) > 0.85 and 0.4 < np.mean(areas) < 0.6


@pytest.mark.parametrize('step', [
    dict(type='RandomPadCrop', size=20), dict(type='ResizeLong', long=20),
    dict(type='ResizeShort', short=20), dict(type='RandomScale'),
    dict(type='RandomResizedCrop', size=20)])
def test_nothing_resizes_or_crops_a_padded_image(step):
    results = TRANSFORMS.build(dict(type='RandomPadCrop', size=48))(
        dict(img=np.zeros((30, 40, 3), np.uint8)))
    with pytest.raises(ValueError, match=f'{step["type"]} must come before RandomPadCrop'):
        TRANSFORMS.build(step)(results)


def test_color_jitter():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    build = lambda **kw: TRANSFORMS.build(dict(type='ColorJitter', **kw))  # noqa: E731
    with sample_rng(0):
        np.testing.assert_array_equal(build()(dict(img=image))['img'], image)
        np.testing.assert_array_equal(
            build(brightness=.4, prob=0.)(dict(img=image))['img'], image)
        changed = build(brightness=(.5, .5))(dict(img=image))['img']
    assert np.abs(changed.astype(float) - image / 2).max() <= 1
    with sample_rng(3):
        one = build(brightness=.4, contrast=.4, saturation=.4, hue=.1)(dict(img=image))['img']
    assert one.dtype == np.uint8 and one.shape == image.shape and (one != image).any()
    with pytest.raises(ValueError, match='hue'):
        build(hue=0.7)


def test_strong_view_keeps_geometry_and_the_weak_image():
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (32, 32, 3)).astype(np.uint8), (9, 9), 3)
    results = dict(img=image.copy(), valid_box=(4, 6, 20, 16))
    results['img'][:4] = 0
    before = results['img'].copy()
    with sample_rng(0):
        out = TRANSFORMS.build(dict(type='StrongView', jitter=dict(brightness=.3)))(results)
    view = out['views']['strong']
    np.testing.assert_array_equal(out['img'], before)
    assert view.shape == image.shape and view.dtype == np.uint8 and (view != before).any()
    outside = np.ones((32, 32), bool)
    outside[4:24, 6:22] = False
    np.testing.assert_array_equal(view[outside], before[outside])


@pytest.mark.parametrize('name', sorted(COLOUR_OPS))
def test_colour_operations_are_pointwise_enough(name):
    """Each keeps shape and type; at the gentle end of its range it keeps the order of greys."""
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], 8, 0).repeat(3, 2)
    change, (low, high) = COLOUR_OPS[name]
    for amount in np.linspace(low, high, 5, endpoint=False):
        assert change(ramp, amount).shape == ramp.shape and change(ramp, amount).dtype == np.uint8
    gentle = change(ramp, high if name != 'Posterize' else 8)
    assert (np.diff(gentle[4, :, 0].astype(int)) >= 0).all()
    assert len(COLOUR_OPS) == 9


def test_strong_view_draws_with_and_without_replacement(monkeypatch):
    drawn = []
    for name, (_, bounds) in list(COLOUR_OPS.items()):
        monkeypatch.setitem(
            COLOUR_OPS, name,
            (lambda image, amount, name=name: drawn.append((name, amount)) or image, bounds))
    image = np.zeros((8, 8, 3), np.uint8)
    repeated = 0
    with sample_rng(0):
        for replacement in (True, False):
            for _ in range(20):
                drawn.clear()
                TRANSFORMS.build(dict(type='StrongView', num_ops=5, replacement=replacement))(
                    dict(img=image))
                assert len(drawn) == 5
                assert all(COLOUR_OPS[n][1][0] <= a <= COLOUR_OPS[n][1][1] for n, a in drawn)
                repeats = len({n for n, _ in drawn}) < 5
                assert replacement or not repeats
                repeated += repeats
    assert repeated
    with pytest.raises(ValueError, match='num_ops'):
        TRANSFORMS.build(dict(type='StrongView', num_ops=10, replacement=False))


def test_packing():
    results = _results(4, 6)
    results.update(gt_label=np.float32([0, 1]), name='x', ori_shape=(4, 6), img_shape=(4, 6),
                   valid_box=(0, 0, 4, 5), other=1, saliency=np.full((4, 6), 51, np.uint8))
    packed = TRANSFORMS.build(dict(type='PackWSSSInputs'))(results)
    assert set(packed['inputs']) == {'image', 'strong'} and set(packed['data_samples']) == {'image'}
    assert torch.equal(packed['inputs']['strong'], packed['inputs']['image'] + 1)
    assert packed['inputs']['image'].shape == (3, 4, 6)
    sample = packed['data_samples']['image']
    assert sample.gt_sem_seg.dtype == sample.prior_mask.dtype == torch.int64
    assert sample.saliency.dtype == torch.float32
    torch.testing.assert_close(sample.saliency, torch.full((4, 6), 0.2))
    assert sample.valid_box == (0, 0, 4, 5) and 'other' not in sample


def test_transforms_of_mmpretrain_fit(config):
    """MCTformer's augmentation, in the middle of a pipeline of ours."""
    from mmwsss.registry import DATASETS
    config['pipeline'] = [
        dict(type='LoadImage'),
        dict(type='RandomResizedCrop', size=24, interpolation='bicubic'),
        dict(type='RandomFlip'),
        dict(type='RandAugment', _scope_='mmpretrain', policies='timm_increasing', num_policies=2,
             total_level=10, magnitude_level=9, magnitude_std=0.5),
        dict(type='mmpretrain.RandomErasing', erase_prob=1., mode='rand'),
        dict(type='PackWSSSInputs'),
    ]
    dataset = DATASETS.build(config)
    first, again = dataset[0]['inputs']['image'], dataset[0]['inputs']['image']
    assert first.shape == (3, 24, 24) and torch.equal(first, again)


@pytest.mark.parametrize('dtype', [np.uint8, np.float16])
@pytest.mark.parametrize('channels', [(), (1, ), (3, ), (6, )])
def test_mirror_is_that_of_numpy(channels, dtype):
    array = np.random.default_rng(0).integers(0, 256, (5, 7, *channels)).astype(dtype)
    image = np.zeros((5, 7, 3), np.uint8)
    flip = TRANSFORMS.build(dict(type='RandomFlip', prob=1.))
    out = flip(dict(img=image, views=dict(other=array)))['views']['other']
    assert out.dtype == dtype and out.flags['C_CONTIGUOUS']
    assert np.array_equal(out, array[:, ::-1])


def test_packed_planes_are_those_of_the_image():
    image = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    for view in (image, image[2:7, 3:9], image[:, ::-1]):
        packed = TRANSFORMS.build(dict(type='PackWSSSInputs'))(dict(img=view))['inputs']['image']
        assert packed.is_contiguous() and np.array_equal(packed.numpy(), view.transpose(2, 0, 1))
