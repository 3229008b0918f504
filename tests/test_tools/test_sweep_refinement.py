import importlib.util
from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmwsss.evaluation import confusion_matrix
from mmwsss.inference import refiner_config
from mmwsss.models.refiners import make_crf, with_background
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import read_mask, write_mask

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/sweep_refinement.py'
spec = importlib.util.spec_from_file_location('sweep_refinement', TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

PSA_NET = dict(
    type='AffinityNet', in_channels=(16, 32, 128), channels=(4, 6, 8),
    backbone=dict(type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6), norm_eval=False,
                  frozen_stages=-1))
IRN_NET = dict(
    type='IRNet', in_channels=(16, 16, 32, 64, 128), crop_size=64,
    backbone=dict(type='mmpretrain.ResNet', depth=18, base_channels=16, stem_channels=16,
                  strides=(1, 2, 2, 1), out_indices=(0, 1, 2, 3)))


@pytest.mark.parametrize(('name', 'unary'), [('none', 'scores'), ('crf', 'scores'),
                                             ('crf', 'labels'), ('psa', 'scores'),
                                             ('irn', 'scores')])
def test_equals_each_setting_on_its_own(name, unary, tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (72, 85, 3), np.uint8)
    gt = rng.integers(0, 4, (72, 85)).astype(np.uint8)
    cam, keys = rng.random((2, 30, 40)).astype(np.float16), np.array([0, 2])
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    write_mask(tmp_path / 'gt.png', gt)
    np.savez(tmp_path / 'a.npz', cam=cam, keys=keys, size=np.array(gt.shape))
    options = {}
    if name in ('psa', 'irn'):
        torch.manual_seed(0)
        network = dict(psa=PSA_NET, irn=IRN_NET)[name]
        options = dict(checkpoint=str(tmp_path / 'net.pth'), model=network, device='cpu')
        torch.save(MODELS.build(network).state_dict(), options['checkpoint'])
        config = tmp_path / 'net.py'
        config.write_text(f'model = {network!r}')
        options['network'] = str(config)
    args = Namespace(cams=str(tmp_path), refine=name, alpha=[4., 16.], beta=[2., 8.],
                     log_steps=[3, 2], thresholds=(0.1, 0.9, 0.2), crf=['eps'], device='cpu',
                     bg=[0.3, 0.5, 0.7], unary=unary,
                     network=options.pop('network', None), checkpoint=options.get('checkpoint'))
    split = Namespace(num_classes=3, ground_truth=lambda name: read_mask(tmp_path / 'gt.png'))
    sweep = tool.Sweep(args, split)
    np.savez(tmp_path / 'none.npz', cam=cam[:0], keys=keys[:0], size=np.array(gt.shape))
    of_none, = sweep(dict(name='none', img_path=str(tmp_path / 'a.png'))).items()
    assert of_none[0] is None  # an image of no class is background by every setting
    np.testing.assert_array_equal(of_none[1], confusion_matrix(np.zeros_like(gt), gt, 3))
    with pytest.raises(ValueError, match=r'must be in \[0, 1\]'):
        tool.Sweep(Namespace(**{**vars(args), 'bg': [3.]}), split)
    results = sweep(dict(name='a', img_path=str(tmp_path / 'a.png')))
    expected_number = dict(none=3, crf=5, psa=4 * 3, irn=4)[name]
    assert len(results) == expected_number
    for setting, counts in results.items():
        setting = dict(setting)
        setting.update(options)
        if 'crf' in setting:
            setting.update(preset=setting.pop('crf'), unary=unary)
        sweeps = [counts] if counts.ndim == 2 else counts
        for i, confusion in enumerate(sweeps):
            if counts.ndim == 3:
                setting['bg'] = float(sweep.thresholds[i])
            mask = MODELS.build(refiner_config(name, setting))(image, cam, keys)
            expected = confusion_matrix(mask, gt, 3)[:, :4]
            # One pixel in a thousand may sit on a threshold.
            assert np.abs(confusion[:, :4] - expected).sum() <= 2 * 6


def test_the_crf_of_the_config(tmp_path):
    """What the command line does not name: --crf and --unary are the config's refiners.crf."""
    args = Namespace(cams='', refine='crf', alpha=[4.], beta=[], log_steps=[], thresholds=None,
                     crf=None, bg=[], unary=None)
    changed = dict(crf=dict(preset='irn_label', unary='labels', gt_prob=0.8, all_labels=21))
    split = Namespace(num_classes=3)
    rng = np.random.default_rng(0)
    image, cam = rng.integers(0, 256, (18, 20, 3), np.uint8), rng.random((2, 18, 20), np.float32)

    def swept(**options):
        (setting, scores, _), = tool.Sweep(
            Namespace(**{**vars(args), **options}), split, changed).settings(image, cam)
        assert setting['alpha'] == 4
        return setting['crf'], scores

    stack = with_background(cam, alpha=4)
    crf = make_crf('irn_label')
    name, scores = swept()
    assert name == 'irn_label'
    expected = crf.from_labels(image, stack.argmax(0), 3, 0.8, 21)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    name, scores = swept(crf=['eps'], unary='scores')
    assert name == 'eps'
    np.testing.assert_allclose(scores, make_crf('eps')(image, stack), atol=1e-5)


def test_table():
    good, bad = np.diag([5, 5]), np.array([[3, 2], [2, 3]])
    rows = tool.table({(('alpha', 4), ): bad, (): np.stack([bad, good])}, np.array([0.1, 0.3]))
    assert [row.get('bg') for row in rows] == [0.3, None]
    assert rows[0]['mIoU'] == 100 and rows[1]['alpha'] == 4


def test_images_of_no_class_count_in_every_setting():
    rng = np.random.default_rng(0)
    none = confusion_matrix(np.zeros((9, 9), np.uint8), rng.integers(0, 3, (9, 9)), 2)
    one, sweep = rng.integers(1, 50, (3, 4)), rng.integers(1, 50, (2, 3, 3))
    found = tool.table({None: none, (('a', 1), ): one, (): sweep}, np.array([.2, .4]))
    expected = tool.table({(('a', 1), ): one + none, (): sweep + none[:, :3]}, np.array([.2, .4]))
    assert found == expected and len(found) == 2
    assert found != tool.table({(('a', 1), ): one, (): sweep}, np.array([.2, .4]))
