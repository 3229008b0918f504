"""bg='own': the network's background map in place of a threshold."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmwsss.inference import generate_masks, seed_mask
from mmwsss.models.refiners import make_crf, propagate_irn
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import CAMFile, read_mask, save_cam


def test_seed_is_the_strongest_of_background_and_classes():
    rng = np.random.default_rng(0)
    cam, background = rng.random((2, 5, 6)), rng.random((5, 6))
    expected = np.zeros((5, 6), int)
    for y in range(5):
        for x in range(6):
            best, expected[y, x] = background[y, x], 0
            for key, score in zip((1, 3), cam[:, y, x]):
                if score > best:
                    best, expected[y, x] = score, key + 1
    assert (seed_mask(CAMFile(cam, np.array([1, 3]), (5, 6), background)) == expected).all()
    refiner = MODELS.build(dict(type='ThresholdMask', bg='own'))
    image = np.zeros((5, 6, 3), np.uint8)
    assert (refiner(image, cam, [1, 3], background) == expected).all()


def test_masks_of_files_with_and_without_the_map(tmp_path):
    rng = np.random.default_rng(0)
    records = []
    for name in ('a', 'b'):
        cv2.imwrite(str(tmp_path / f'{name}.png'), rng.integers(0, 256, (8, 8, 3), np.uint8))
        records.append(dict(name=name, img_path=str(tmp_path / f'{name}.png')))
    cam, background = np.full((1, 8, 8), 0.5), np.tile(np.linspace(0, 1, 8), (8, 1))
    save_cam(tmp_path / 'a.npz', cam, [2], (8, 8), background)
    save_cam(tmp_path / 'b.npz', cam, [2], (8, 8))
    report = generate_masks(records, tmp_path, tmp_path / 'out',
                            dict(type='ThresholdMask', bg='own'))
    assert report.made == 1 and "bg='own' needs CAM files" in report.failed['b']
    mask = read_mask(tmp_path / 'out' / 'a.png')
    assert (mask == np.where(background < 0.5, 3, 0)).all()


@pytest.mark.parametrize('options', [dict(bg=float('nan')), dict(bg=2), dict(bg=-1),
                                     dict(alpha=0), dict(alpha=float('nan')), dict(bg='best')])
def test_backgrounds_out_of_range(options):
    with pytest.raises(ValueError, match='bg|alpha'):
        MODELS.build(dict(type='ThresholdMask', **options))


def label_crf(image, labels, count):
    """The field's label CRF by the package's own CRF; what is tested is what goes into it."""
    return make_crf('irn_label').from_labels(image, labels, count, 0.7).argmax(0)


def test_irnet_labels_come_from_the_background_times_one_and_a_half():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (12, 10, 3), np.uint8)
    cam, background = rng.random((2, 12, 10)), rng.random((12, 10))
    maps = []
    for factor in (1, 0.5):
        labels = np.zeros((12, 10), int)
        for y in range(12):
            for x in range(10):
                scores = [factor * background[y, x], *cam[:, y, x]]
                labels[y, x] = scores.index(max(scores))
        maps.append(label_crf(image, labels, 3))
    fg, bg = maps
    expected = np.array([0, 2, 4])[fg]  # the classes 1 and 3
    expected[fg == 0] = 255
    expected[(fg == 0) & (bg == 0)] = 0
    labels = MODELS.build(dict(type='IRLabel', fg='own', bg='own', bg_factor=0.5))
    assert (labels(image, cam, [1, 3], background) == expected).all()
    assert {0, 255} < set(np.unique(expected))  # the case has both
    assert (labels(image, cam[:0], [], background) == 0).all()


def test_irnet_labels_of_files_get_the_map(tmp_path):
    image = np.full((8, 8, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    cam, background = np.full((1, 8, 8), 0.5), np.tile(np.linspace(0, 1, 8), (8, 1))
    save_cam(tmp_path / 'a.npz', cam, [2], (8, 8), background)
    labels = dict(type='IRLabel', fg='own', bg='own', bg_factor=0.5)
    records = [dict(name='a', img_path=str(tmp_path / 'a.png'))]
    generate_masks(records, tmp_path, tmp_path / 'out', labels).raise_if_failed(tmp_path)
    expected = MODELS.build(labels)(image, cam, [2], background)
    assert (read_mask(tmp_path / 'out' / 'a.png') == expected).all()
    with pytest.raises(ValueError, match="bg='own' needs CAM files"):
        MODELS.build(labels)(image, cam, [2])


@pytest.mark.parametrize('options', [dict(fg='own'), dict(bg='own'), dict(fg='best', bg=0.1),
                                     dict(fg='own', bg='own', bg_factor=0)])
def test_irnet_labels_out_of_range(options):
    with pytest.raises(ValueError, match='IRLabel'):
        MODELS.build(dict(type='IRLabel', **options))


def test_irn_walks_background_and_classes_together(tmp_path):
    network = dict(
        type='IRNet',
        data_preprocessor=dict(type='WSSSDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3),
        backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(0, 1, 2, 3)),
        in_channels=(64, 128, 256, 512), stem=None, radius=5, crop_size=64)
    torch.manual_seed(0)
    torch.save(MODELS.build(network).state_dict(), tmp_path / 'net.pth')
    refiner = MODELS.build(dict(
        type='IRNMask', bg='own', power=1.5, beta=10, log_steps=2, model=network,
        checkpoint=str(tmp_path / 'net.pth'), device='cpu'))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 48, 3), np.uint8)
    cam, background = (rng.random(shape).astype('f4') for shape in ((2, 32, 48), (32, 48)))

    edge = refiner.edge(image)
    stack = torch.from_numpy(np.stack([background, *cam]))
    small = F.interpolate(stack[None], edge.shape, mode='bilinear')[0]**1.5
    walked = propagate_irn(small, edge, radius=5, beta=10, log_steps=2)
    full = F.interpolate(walked[None], (32, 48), mode='bilinear')[0].numpy()
    expected = np.zeros((32, 48), int)
    for y in range(32):
        for x in range(48):
            scores = full[:, y, x].tolist()
            expected[y, x] = (0, 2, 4)[scores.index(max(scores))]
    assert (refiner(image, cam, [1, 3], background) == expected).mean() > 0.999  # but for rounding
    assert len(np.unique(expected)) == 3
    with pytest.raises(ValueError, match="bg='own' needs CAM files"):
        refiner(image, cam, [1, 3])
