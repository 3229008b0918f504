"""The configs of refiners and of their networks fit the code; tiny versions of them learn."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

import mmwsss.datasets  # noqa: F401
import mmwsss.engine  # noqa: F401
from mmwsss.inference import generate_masks
from mmwsss.models.refiners import make_crf, pair_offsets
from mmwsss.registry import MODELS, TRANSFORMS

ROOT = Path(__file__).parents[3]
REFINERS = sorted((ROOT / 'configs/_base_/refiners').glob('*.py'))
NETWORKS = ['irn/irnet_r50_voc.py', 'irn/irnet_r50_coco.py', 'psa/affinity_r38_voc.py',
            'psa/affinity_r38_coco.py', 'psa/affinity_r38-cls_voc.py',
            'mctformer/affinity_r38_voc.py']
METHODS = [
    'psa/psa_r38_voc.py', 'psa/psa_r38_coco.py', 'irn/irn_r50_voc.py', 'irn/irn_r50_coco.py',
    'ktse/ktse_r38_voc.py', 'ktse/ktse_r38_coco.py', 'rcm_mam/rcm-mam_r38_voc.py',
    'eader/eader-psa_r38_voc.py', 'seam/seam_r38_voc.py', 'aeft/aeft_r38_voc.py',
    'ppc/ppc_r38_voc.py', 'mctformer/mctformer_deit-s_voc.py', 'sipe/sipe_r50_voc.py']


def check_options(cfg):
    cls = MODELS.get(cfg['type'])
    known = set()
    for base in cls.__mro__:
        if base is not object:
            known |= set(inspect.signature(base.__init__).parameters)
    assert set(cfg) - {'type'} <= known


@pytest.mark.parametrize('file', REFINERS, ids=lambda file: file.stem)
def test_refiners(file):
    pipeline = Config.fromfile(file).pipeline
    check_options(pipeline.mask)
    if 'affinity' in pipeline:
        check_options(pipeline.affinity.labels)
        assert (ROOT / pipeline.affinity.config).is_file()


@pytest.mark.parametrize('file', METHODS)
def test_methods(file):
    cfg = Config.fromfile(ROOT / 'configs' / file)
    dataset = file.split('_')[-1]
    assert cfg.pipeline.affinity.config.endswith(dataset)
    assert cfg.model.head.num_classes == (80 if 'coco' in dataset else 20)
    check_options(cfg.pipeline.mask)
    check_options(cfg.pipeline.affinity.labels)
    assert ('bg' in cfg.pipeline.mask) != ('alpha' in cfg.pipeline.mask)


@pytest.mark.parametrize('file', NETWORKS)
def test_networks(file):
    cfg = Config.fromfile(ROOT / 'configs' / file)
    check_options(cfg.model)
    for transform in cfg.train_dataloader.dataset.pipeline:
        TRANSFORMS.build(transform)
    assert cfg.val_cfg is None and cfg.test_cfg is None
    assert cfg.train_dataloader.dataset.prior_dir


def test_affinity_scores_from_labels():
    """PPC: the argmax of background and CAM is right with probability .7, then the CRF."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    cam = rng.random((2, 12, 16)).astype(np.float32)
    refiner = MODELS.build(dict(type='AffinityScores', low=4, high=24, unary='labels'))
    scores = refiner(image, cam, [3, 5])['scores']
    for found, alpha in zip(scores, (4, 24)):
        label = np.concatenate([(1 - cam.max(0, keepdims=True))**alpha, cam]).argmax(0)
        expected = make_crf('psa').from_labels(image, label, 3, 0.7)
        np.testing.assert_allclose(found, expected, atol=1e-3)
    plain = MODELS.build(dict(type='AffinityScores', low=4, high=24))(image, cam, [3, 5])['scores']
    assert abs(plain.astype(np.float32) - scores.astype(np.float32)).max() > 0.05
    with pytest.raises(ValueError, match="AffinityScores: unary='x' must be"):
        MODELS.build(dict(type='AffinityScores', unary='x'))


@pytest.mark.parametrize('options, message', [
    *[(dict(type=name, gt_prob=value, **options), f'{name}: gt_prob={value} must be in')
      for name, options in (('CRFMask', dict(bg=0.3)), ('IRLabel', {}), ('AffinityScores', {}))
      for value in (0, 1, 1.5, float('nan'))],
    *[(dict(type='PARMask', bg=0.3, down_scale=value), f'PARMask: down_scale={value} must be')
      for value in (0, -1, 0.5)],
    *[(dict(type=name, bg=0.3, radius=value), f'{name}: radius={value} must be')
      for name in ('IRNMask', 'PSAMask') for value in (1, 0, 2.5)]], ids=str)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(options)


def test_the_least_options():
    MODELS.build(dict(type='PARMask', bg=0.3, down_scale=1))
    assert len(pair_offsets(2)) == 4 and not pair_offsets(1)
    for name in ('IRNMask', 'PSAMask'):  # a radius of 2 is right, and then the network is missing
        with pytest.raises(ValueError, match=f'{name} needs a trained network'):
            MODELS.build(dict(type=name, bg=0.3, radius=2))


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['psa', 'irn'])
def test_from_cams_to_masks(kind, folder, tmp_path, monkeypatch):
    """Labels, training by the config through mmengine's Runner, masks; on tiny networks."""
    from mmwsss.datasets.splits import build_image_dataset
    file = dict(psa='psa/affinity_r38_voc.py', irn='irn/irnet_r50_voc.py')[kind]
    cfg = Config.fromfile(ROOT / 'configs' / file)
    data = dict(type='ImageLabelDataset', data_root=str(folder), ann_file='list.txt',
                label_file='labels.json', img_dir='img', metainfo=dict(classes=('x', 'y', 'z')))
    images = build_image_dataset(data)
    labels = dict(psa=dict(type='AffinityScores'), irn=dict(type='IRLabel'))[kind]
    assert not generate_masks(images, folder / 'cam', tmp_path / 'labels', labels).failed

    if kind == 'psa':
        cfg.model.backbone = dict(type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6),
                                  norm_eval=False, frozen_stages=-1)
        cfg.model.update(in_channels=(16, 32, 128), channels=(4, 6, 8), radius=3)
    else:
        cfg.model.backbone.update(depth=18, base_channels=16, stem_channels=16, init_cfg=None)
        cfg.model.update(in_channels=(16, 16, 32, 64, 128), crop_size=64)
    for transform in cfg.train_dataloader.dataset.pipeline:
        if transform['type'] == 'RandomPadCrop':
            transform['size'] = 80
    data.update(prior_dir=str(tmp_path / 'labels'), pipeline=cfg.train_dataloader.dataset.pipeline,
                prior_suffix=cfg.train_dataloader.dataset.get('prior_suffix', '.png'))
    cfg.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False, dataset=data)
    cfg.work_dir = str(tmp_path / 'network')
    cfg.train_cfg.max_epochs = cfg.param_scheduler[0].end = 1
    monkeypatch.setenv('MMWSSS_ALLOW_FROZEN', '1')  # its backbone has no weights here
    runner = Runner.from_cfg(cfg)
    before = {name: p.clone() for name, p in runner.model.named_parameters() if p.requires_grad}
    runner.train()
    after = dict(runner.model.named_parameters())
    assert any(not value.equal(after[name]) for name, value in before.items())

    mask = dict(psa=dict(type='PSAMask', alpha=16), irn=dict(type='IRNMask', bg=0.25))[kind]
    mask.update(model=cfg.model, checkpoint=str(next((tmp_path / 'network').glob('*.pth'))))
    report = generate_masks(images, folder / 'cam', tmp_path / 'masks', mask)
    assert report.made == 3 and not report.failed
