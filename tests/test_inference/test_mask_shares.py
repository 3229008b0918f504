"""Shares of spoiled masks, and the threshold of the refined mask."""

import numpy as np
import pytest
from PIL import Image

from mmwsss.evaluation import confusion_matrix, iou_from_confusion
from mmwsss.inference import generate_masks
from mmwsss.inference.mask_shares import mask_shares, warnings
from mmwsss.inference.refined import best_refined, candidates, refined_curve
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import mask_record, read_classes, save_cam, write_mask
from mmwsss.utils import register_all_modules

NAMES = ('a', 'b', 'c', 'none')
LABELS = dict(a=[0], b=[0, 1], c=[1], none=[])


def test_shares():
    records = [dict(name='a', classes=[], background=1.), dict(name='b', classes=[0, 1],
                                                               background=0.01),
               dict(name='c', classes=[0], background=0.5), dict(name='none', classes=[]),
               dict(name='unknown', classes=[])]
    shares = mask_shares(records, LABELS)
    assert shares == dict(images=3, empty=round(1 / 3, 4), full=round(1 / 3, 4), lost=0.5)
    both, lost = warnings(shares, 0.4)
    assert '33 % of the masks are empty and 33 % fill the image' in both and 'its mAP' in both
    empty, lost = warnings(dict(shares, full=0.), 0.4)
    assert '33 % of the masks are empty' in empty and 'pipeline.mask.bg (now 0.4)' in empty
    assert 'PARMask' in empty and 'PARMask' not in warnings(shares | dict(full=0), 1, 'PARMask')[0]
    full, lost = warnings(dict(shares, empty=0.), 0.4)
    assert '33 % of the masks fill the image' in full and 'Raise pipeline.mask.bg' in full
    assert '50 % of the labelled classes are in no pixel' in lost
    assert warnings(dict(images=3, empty=.1, full=.1, lost=.2), 0.4) == []
    assert mask_shares(records[3:], LABELS) == {} and warnings({}) == []


class _Truth:
    """Two classes; each image has an object on its left half whose CAM is .5, the rest .2."""

    has_ground_truth, num_classes, name = True, 2, 'truth'

    def __init__(self, root):
        self.root, self.dataset = root, self
        for name in NAMES:
            Image.fromarray(np.full((6, 8, 3), 99, np.uint8)).save(root / f'{name}.png')
            keys = LABELS[name]
            cam = np.full((len(keys), 6, 8), 0.2, np.float32)
            cam[:, :, :4] = 0.5
            if len(keys) > 1:
                cam[1] = 0
            save_cam(root / 'cam' / f'{name}.npz', cam, np.array(keys, int), (6, 8))

    def __len__(self):
        return len(NAMES)

    def get_data_info(self, i):
        return dict(name=NAMES[i], img_path=str(self.root / f'{NAMES[i]}.png'),
                    labels=LABELS[NAMES[i]])

    metainfo = dict(classes=('x', 'y'))

    def ground_truth(self, name):
        mask = np.zeros((6, 8), np.uint8)
        if LABELS[name]:
            mask[:, :4] = LABELS[name][0] + 1
        return mask


@pytest.fixture
def truth(tmp_path):
    register_all_modules()
    return _Truth(tmp_path)


def test_report_of_masks(truth, tmp_path, capsys):
    for bg, key in ((0.9, 'empty'), (0.1, 'full')):
        report = generate_masks(truth, tmp_path / 'cam', tmp_path / key,
                                dict(type='ThresholdMask', bg=bg))
        assert report.shares['images'] == 3 and report.shares[key] == 1
    good = generate_masks(truth, tmp_path / 'cam', tmp_path / 'good',
                          dict(type='ThresholdMask', bg=0.3))
    assert good.shares == dict(images=3, empty=0, full=0, lost=0.25)  # class 1 of b has no CAM
    again = generate_masks(truth, tmp_path / 'cam', tmp_path / 'good',
                           dict(type='ThresholdMask', bg=0.3))
    assert again.made == 0 and again.shares == good.shares
    assert (tmp_path / 'good/classes.txt').read_text().split() == ['background', 'x', 'y']
    assert read_classes(tmp_path / 'good/a.png') == ('background', 'x', 'y')


def test_labels_of_an_affinity_network_have_no_shares(truth, tmp_path, monkeypatch):
    """They are full of 255, and no option of pipeline.mask changes them."""
    logged = []
    monkeypatch.setattr('mmwsss.inference.masks.print_log', lambda *args, **_: logged.append(args))
    report = generate_masks(truth, tmp_path / 'cam', tmp_path / 'labels',
                            dict(type='IRLabel', fg=0.95, bg=0.01))
    assert report.made == 4 and report.shares == {} and not logged
    assert (tmp_path / 'labels/classes.txt').is_file()


def test_share_of_background_leaves_255_out(tmp_path):
    mask = np.full((4, 5), 255)
    write_mask(tmp_path / 'none.png', mask)
    mask[0, :3], mask[1] = 2, 0
    write_mask(tmp_path / 'a.png', mask)
    record = mask_record(tmp_path / 'a.png', 'a')
    assert record['classes'] == [1] and record['background'] == 5 / 8
    assert mask_record(tmp_path / 'none.png', 'none')['background'] == 1


def test_refined_threshold(truth, tmp_path):
    """A refinement that halves the CAM, so that the best threshold after it is another one."""
    from mmwsss.models.refiners import MaskRefiner

    @MODELS.register_module(force=True)
    class HalvingMask(MaskRefiner):

        def scores(self, image, cam, background=None):
            return self.with_background(cam / 2)

    refiner, cams = dict(type='HalvingMask', bg=0.5), tmp_path / 'cam'
    thresholds = candidates(0.35)
    assert thresholds == [0.175, 0.245, 0.35, 0.49, 0.7]
    curve = refined_curve(refiner, thresholds, truth, cams)
    for value, threshold in zip(curve, thresholds):  # a loop of its own
        total = 0
        for name in NAMES:
            mask = np.zeros((6, 8), np.uint8)
            if LABELS[name]:
                for half, score in ((slice(0, 4), 0.25), (slice(4, 8), 0.1)):
                    if score > threshold:
                        mask[:, half] = LABELS[name][0] + 1
            total = total + confusion_matrix(mask, truth.ground_truth(name), 2)
        assert value == pytest.approx(100 * np.nanmean(iou_from_confusion(total)))
    best, table = best_refined(refiner, 0.35, truth, cams)
    assert best == 0.245 and table['0.245'] == 100 and len(table) == 5  # nearer to the seed's
    best, _ = best_refined(dict(type='ThresholdMask', bg=0.1), 0.35, truth, cams)
    assert best == 0.35
    # What keep leaves out is no miss.
    assert best_refined(dict(refiner, keep=0.5), 0.35, truth, cams) == (0.245, table)


@pytest.mark.parametrize('peak, best', [(0.4, 0.4), (0.035, 0.035), (0.9, 0.95), (0., 0.005)])
def test_refined_threshold_is_looked_for_beyond_the_candidates(peak, best, monkeypatch):
    refiners = []

    def curve_of(refiner, thresholds, *_):
        refiners.append(refiner)
        return [100 - 100 * abs(threshold - peak) for threshold in thresholds]

    monkeypatch.setattr('mmwsss.inference.refined.refined_curve', curve_of)
    found, curve = best_refined(dict(type='ThresholdMask', bg=0.1), 0.4, None, '')
    assert all(refiner is refiners[0] for refiner in refiners)  # built once
    assert abs(found - best) < 0.006 and min(curve) <= f'{found:g}'
    assert len(curve) < 20


def test_damaged_image_is_named(truth, tmp_path):
    (tmp_path / 'cam/b.npz').unlink()
    with pytest.raises(RuntimeError, match='refining "b" failed'):
        refined_curve(dict(type='ThresholdMask', bg=0.1), [0.1], truth, tmp_path / 'cam')
