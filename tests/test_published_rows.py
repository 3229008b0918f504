"""Every row of the papers' tables has a whole pipeline: stages, scored split, segmentation model
and its test as published."""

from pathlib import Path

import pytest
from mmengine import Config

from mmwsss.pipeline import Pipeline

ROOT = Path(__file__).parents[1]

# How the segmentation models of the rows are tested.
BECO = dict(scales=(0.75, 1.0, 1.25), merge='max', crf='deeplab')
CAFFE = dict(scales=(0.5, 0.75, 1.0), merge='max', crf='deeplab')  # deeplab-pytorch
WSEG = dict(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=True, crf='deeplab')
MCT = dict(scales=(0.5, 0.75, 1.0, 1.25, 1.5), merge='prob_max', crf='mct_seg')
PLAIN = dict()  # one scale

WALK = ['classify', 'cam', 'labels', 'affinity', 'mask']
CRF = ['classify', 'cam', 'mask']

# Config: stages, list of the seeds' score, refiner, segmentation config, its test.
ROWS = {
    'ktse/ktse_r38_voc': (
        WALK, 'train', dict(type='IRNMask', bg=0.25, keep=0.5), 'beco/beco_r101_voc_msc-crf', BECO),
    'ktse/ktse_r38_voc_vgg16': (
        WALK, 'train', dict(type='IRNMask', bg=0.25, keep=0.5), 'beco/beco_vgg16_voc_msc-crf',
        BECO),
    'ktse/ktse_r38_coco': (
        WALK, None, dict(type='IRNMask', keep=0.5), 'beco/beco_r101_coco_msc-crf', BECO),
    'ktse/ktse_r38_coco_vgg16': (
        WALK, None, dict(type='IRNMask', keep=0.5), 'beco/beco_vgg16_coco_msc-crf', BECO),
    'eader/eader_r101_voc': (CRF, 'val', dict(type='ThresholdMask', bg=0.3), None, None),
    'eader/psa_r38_voc': (
        WALK, 'val', dict(type='PSAMask', alpha=16), 'deeplab/deeplabv3plus_x65_voc', PLAIN),
    'eader/eader-psa_r38_voc': (
        WALK, 'val', dict(type='PSAMask', alpha=16), 'deeplab/deeplabv3plus_x65_voc', PLAIN),
    'eader/eader-psa_r38_voc_deeplabv3plus-r101': (
        WALK, 'val', dict(type='PSAMask', alpha=16), 'deeplab/deeplabv3plus_r101_voc', PLAIN),
    'rcm_mam/rcm-mam_r38_voc': (
        WALK, 'train', dict(type='PSAMask'), 'deeplab/deeplabv1_r38_voc_msc-crf', WSEG),
    'csd/csd_irn_r50_voc': (
        ['prior', *WALK], 'train', dict(type='IRNMask', bg=0.25),
        'deeplab/deeplabv2_r50_voc_msc-crf', CAFFE),
    'csd/csd_mctformer_deit-s_voc': (
        ['prior', *WALK], 'train', dict(type='PSAMask', bg=0.39),
        'deeplab/deeplabv1_r38_mct_voc_msc-crf', MCT),
    'irn/irn_r50_voc': (
        WALK, 'train', dict(type='IRNMask', bg=0.25), 'deeplab/deeplabv2_r50_voc_msc-crf', CAFFE),
    'mctformer/mctformer_deit-s_voc': (
        WALK, 'train', dict(type='PSAMask', bg=0.39), 'deeplab/deeplabv1_r38_mct_voc_msc-crf', MCT),
    'sipe/sipe_r50_voc': (
        WALK, 'train', dict(type='IRNMask', bg='own', power=1.5),
        'deeplab/deeplabv2_r101_voc_coco-init_msc-crf', CAFFE),
    'sipe/sipe_r50_coco': (
        CRF, None, dict(type='CRFMask', bg='own'), 'deeplab/deeplabv2_r101_coco_msc-crf', CAFFE),
    'fsae/fsae_ppc-eps_r38_voc': (
        CRF, 'train', dict(type='CRFMask', alpha=8, preset='eps'),
        'deeplab/deeplabv2-aspp_r101_voc_msc-crf', WSEG),
    'fsae/fsae_ppc-eps_r38_voc_deeplabv1': (
        CRF, 'train', dict(type='CRFMask', alpha=8, preset='eps'),
        'deeplab/deeplabv1_r101-deep_voc_msc-crf', WSEG),
    'fsae/fsae_sipe_r50_voc': (
        CRF, 'train', dict(type='CRFMask', bg='own'), 'deeplab/deeplabv2-aspp_r101_voc_msc-crf',
        WSEG),
    'fsae/fsae_sipe_r50_voc_deeplabv1': (
        CRF, 'train', dict(type='CRFMask', bg='own'), 'deeplab/deeplabv1_r101-deep_voc_msc-crf',
        WSEG),
    'fsae/fsae_mctformer_deit-s_voc': (
        CRF, 'train', dict(type='CRFMask', bg='oracle'), 'deeplab/deeplabv2-aspp_r101_voc_msc-crf',
        WSEG),
    'fsae/fsae_ppc-eps_r38_coco': (
        CRF, None, dict(type='CRFMask', alpha=8, preset='eps'),
        'deeplab/deeplabv2_r101_coco_msc-crf', CAFFE),
    'fsae/fsae_sipe_r50_coco': (
        CRF, None, dict(type='CRFMask', alpha=8, preset='eps'),
        'deeplab/deeplabv2_r101_coco_msc-crf', CAFFE),
    **{f'rcm_mam/{name}_r38_voc': (
        CRF, 'train', dict(type='CRFMask', bg='oracle'), None, None)
       for name in ('baseline', 'smm', 'mmm', 'mam', 'rcm', 'rcm-mmm', 'rcm-mam-crf', 'direct',
                    'weight-sharing')},
}
# Rows of ablations: those of their method with other modules, so the same pipeline.
ABLATIONS = {
    'ktse/ktse_r38_voc': ['ktse/ktse_sie_r38_voc', 'ktse/ktse_ssr_r38_voc',
                          'ktse/ktse_sie-ssr_r38_voc', 'ktse/ktse_mga_r38_voc',
                          'ktse/ktse_mga-global_r38_voc', 'ktse/ktse_rigid_r38_voc',
                          'ktse/ktse_soft_r38_voc', 'ktse/ktse-paper_r38_voc'],
    'eader/eader_r101_voc': [f'eader/eader_alpha-{alpha}_r101_voc'
                             for alpha in ('0', '0.01', '0.05', '0.1')],
    'csd/csd_mctformer_deit-s_voc': [
        f'csd/csd-{name}_mctformer_deit-s_voc' for name in ('uniform', 'fg', 'bg', 'prototype')],
    'fsae/fsae_ppc-eps_r38_voc': [
        f'fsae/fsae-{name}_ppc-eps_r38_voc' for name in (
            'fae', 'fae-tau80', 'fae-tau85', 'fae-tau90', 'fae-tau99', 'k5', 'k7', 'ra1', 'ra5',
            'ra7', 'sae-tau0', 'sae-tau60', 'sae-tau70', 'sae-tau90')],
    'fsae/fsae_sipe_r50_voc': ['fsae/fsae-fae_sipe_r50_voc'],
    'fsae/fsae_mctformer_deit-s_voc': ['fsae/fsae-fae_mctformer_deit-s_voc'],
}


@pytest.mark.parametrize('name', [f'fsae/fsae_{base}' for base in (
    'sipe_r50_voc', 'mctformer_deit-s_voc', 'ppc-eps_r38_voc', 'ktse_r38_voc')])
def test_fsae_is_compared_at_equal_length(name):
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    base = Config.fromfile(ROOT / cfg.pipeline.baseline)
    for key in ('max_epochs', 'max_iters'):
        assert cfg.train_cfg.get(key) == base.train_cfg.get(key)


def build(name, tmp_path):
    return Pipeline(str(ROOT / 'configs' / f'{name}.py'), tmp_path)


def scored_list(cfg):
    return Path(cfg.val_dataloader.dataset.get('ann_file') or '').stem


@pytest.mark.parametrize('name', ROWS)
def test_row(name, tmp_path):
    stages, split, mask, segment, test = ROWS[name]
    pipeline = build(name, tmp_path)
    context = pipeline.context
    assert list(pipeline.stages) == stages + ['segment'] * (segment is not None)
    if split is not None:
        assert scored_list(context.cfg) == split
    assert mask.items() <= context.mask_options.items()
    context.check_background()
    if 'affinity' in stages:
        cfg = context.affinity_config()
        assert Path(cfg.train_dataloader.dataset.prior_dir).name == 'labels'
    if segment is None:
        return
    assert context.block('segment') == dict(config=f'configs/{segment}.py')
    cfg = Config.fromfile(context.find(f'configs/{segment}.py'))
    settings = {key: value for key, value in cfg.model.test_cfg.items() if key != 'mode'}
    settings.pop('merge') if settings.get('merge') == 'logits' else None
    assert settings == test
    coco = name.endswith('_coco') or '_coco_' in name
    assert cfg.model.decode_head.num_classes == context.cfg.model.head.num_classes + 1 == (
        81 if coco else 21)
    data = cfg.test_dataloader.dataset
    assert Path(data.get('ann_file') or data.mask_dir).stem.startswith('val')
    for method in pipeline.methods:  # the baseline is scored and segmented alike
        assert scored_list(method.context.cfg) == scored_list(context.cfg)
        assert method.context.block('segment') == context.block('segment')


@pytest.mark.parametrize('method, name', [
    (method, name) for method, names in ABLATIONS.items() for name in names])
def test_ablation(method, name, tmp_path):
    first, other = build(method, tmp_path / 'a'), build(name, tmp_path / 'b')
    assert list(first.stages) == list(other.stages)
    assert first.context.options == other.context.options
    assert scored_list(first.context.cfg) == scored_list(other.context.cfg)


def test_own_background_of_sipe_reaches_labels_and_mask(tmp_path):
    context = build('sipe/sipe_r50_voc', tmp_path).context
    assert context.block('affinity')['labels'] == dict(
        type='IRLabel', fg='own', bg='own', bg_factor=0.5, preset='irn_label')
    assert context.mask_options == dict(
        type='IRNMask', bg='own', power=1.5, beta=10, log_steps=8)
