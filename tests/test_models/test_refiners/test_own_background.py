"""bg='own': the network's background map in place of a threshold."""

import cv2
import numpy as np
import pytest

from mmwsss.inference import generate_masks, seed_mask
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import read_mask, save_cam


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
    assert (seed_mask(cam, np.array([1, 3]), (5, 6), None, background) == expected).all()
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
