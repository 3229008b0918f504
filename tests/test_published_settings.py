"""Settings of the configs that gave published numbers, where they were once others."""

from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch.nn.modules.batchnorm import _NormBase

import mmwsss.datasets  # noqa: F401
import mmwsss.engine  # noqa: F401
import mmwsss.models  # noqa: F401
from mmwsss.registry import MODELS

CONFIGS = Path(__file__).parents[1] / 'configs'


def read(name):
    return Config.fromfile(CONFIGS / f'{name}.py')


def types(pipeline):
    return [transform['type'] for transform in pipeline]


@pytest.mark.parametrize('name', ['irn/irn_r50_voc', 'irn/irn_r50_coco', 'sipe/sipe_r50_voc',
                                  'sipe/sipe_r50_coco', 'csd/csd_irn_r50_voc',
                                  'fsae/fsae_sipe_r50_voc'])
def test_batch_norms_of_irn_and_sipe_decay(name, monkeypatch):
    """Their optimizers group by the part of the network alone: all parameters have weight decay."""
    cfg = read(name)
    init_default_scope('mmwsss')
    cfg.model.backbone.init_cfg = None
    linspace = torch.linspace  # foreign backbones read numbers from one
    monkeypatch.setattr(torch, 'linspace', lambda *args: linspace(*args, device='cpu'))
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    assert {group['weight_decay'] for group in wrapper.optimizer.param_groups} == {1e-4}
    norms = {id(p) for m in model.modules() if isinstance(m, _NormBase) for p in m.parameters()}
    assert any(id(p) in norms for group in wrapper.optimizer.param_groups for p in group['params'])


def test_mctformer_has_an_affinity_net_of_its_own():
    """psa/train_aff.py of MCTformer: 5 epochs, --weights res38_cls.pth (run_psa.sh)."""
    pipeline = read('mctformer/mctformer_deit-s_voc').pipeline
    assert pipeline.affinity.config == 'configs/mctformer/affinity_r38_voc.py'
    assert pipeline.affinity.labels == dict(
        type='AffinityScores', low=1, high=12, preset='psa')
    cfg, psa = read('mctformer/affinity_r38_voc'), read('psa/affinity_r38_voc')
    assert cfg.train_cfg.max_epochs == 5 and 'end' not in cfg.param_scheduler[0]
    assert cfg.model.backbone.init_cfg.checkpoint == 'pretrain/res38_cls.pth'
    assert psa.train_cfg.max_epochs == 8 and 'end' not in psa.param_scheduler[0]
    assert cfg.optim_wrapper == psa.optim_wrapper


def test_affinity_net_of_aeft_starts_from_the_voc_classifier():
    """train_aff.py of AEFT: 8 epochs of batch 8 at .01, --weights res38_cls.pth."""
    pipeline = read('aeft/aeft_r38_voc').pipeline
    cfg = Config.fromfile(CONFIGS.parent / pipeline.affinity.config)
    assert cfg.model.backbone.init_cfg.checkpoint == 'pretrain/res38_cls.pth'
    assert (cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size) == (8, 8)
    assert cfg.optim_wrapper.optimizer.lr == 0.01
    assert pipeline.mask == dict(type='PSAMask', alpha=19, beta=8, log_steps=6, crf='psa_rw')


def test_ppc_on_seam_walks_from_a_constant_and_learns_from_label_crfs():
    """aff_infer.py sets the background to .27; aff_prepare.py makes its CRFs from labels."""
    pipeline = read('ppc/ppc_r38_voc').pipeline
    assert pipeline.mask == dict(type='PSAMask', bg=0.27, beta=8, log_steps=6)
    assert pipeline.affinity.labels.unary == 'labels'
    assert read('seam/seam_r38_voc').pipeline.affinity.labels.get('unary', 'scores') == 'scores'


@pytest.mark.parametrize('name, full_size, drop', [
    ('seam/seam_r38_voc', True, 0.5), ('ppc/ppc_r38_voc', True, 0.5),
    ('ppc/ppc-eps_r38_voc', False, 0.), ('ppc/ppc-eps_r38_coco', False, 0.),
    ('eps/eps_r38_voc', False, 0.), ('fsae/fsae_ppc-eps_r38_voc', False, 0.)])
def test_which_bases_bring_maps_to_the_size_of_the_image(name, full_size, drop):
    cfg = dict(read(name).model.head)
    with torch.device('meta'):
        head = MODELS.build(cfg)
    assert head.full_size == full_size and head.dropout.p == drop


@pytest.mark.parametrize('kernel', [5, 7])
def test_fsae_table_9_has_tau_sae_of_the_method(kernel):
    fsae = read(f'fsae/fsae-k{kernel}_ppc-eps_r38_voc').fsae
    assert fsae.kernel == kernel and fsae.tau_sae == 0.8


@pytest.mark.parametrize('name', ['fsae_sipe_r50_voc', 'fsae_sipe_r50_coco',
                                  'fsae_mctformer_deit-s_voc', 'fsae_ppc-eps_r38_voc',
                                  'fsae_ppc-eps_r38_coco'])
def test_fsae_source_view_is_weak_and_has_jitter(name):
    pipeline = read(f'fsae/{name}').train_dataloader.dataset.pipeline
    assert types(pipeline)[-3:] == ['StrongView', 'ColorJitter', 'PackWSSSInputs']
    assert pipeline[-3].jitter is not None and pipeline[-3].num_ops == 3
    assert not {'RandAugment', 'mmpretrain.RandomErasing'} & set(types(pipeline))


def test_fsae_on_coco_has_the_length_of_its_base():
    base, fsae = read('ppc/ppc-eps_r38_coco'), read('fsae/fsae_ppc-eps_r38_coco')
    assert fsae.train_cfg.max_iters == base.train_cfg.max_iters == 256500
    assert fsae.param_scheduler == base.param_scheduler
    assert fsae.train_cfg.ema == dict(momentum=0.999)
    prototype = read('fsae/fsae-prototype_ppc-eps_r38_coco')
    assert prototype.train_cfg.max_iters == 2 * 513000
    assert prototype.train_dataloader.dataset.pipeline[-3].num_ops == 5
    for cfg in (fsae, read('fsae/fsae_sipe_r50_coco')):
        assert cfg.pipeline.mask == dict(type='CRFMask', alpha=8, preset='eps')


def test_csd_variants_by_name():
    assert read('csd/csd-prototype_mctformer_deit-s_voc').model.modules[0].variant == 'prototype'
    for path in (CONFIGS / 'demo').glob('csd_*.py'):
        csd = Config.fromfile(path).csd
        assert csd.variant == 'confident', path.name


@pytest.mark.parametrize('name, epochs', [('voc', 80), ('coco', 40)])
def test_beco_has_the_settings_of_ktse(name, epochs):
    cfg = read(f'beco/beco_r101_{name}')
    assert cfg.optim_wrapper == dict(type='OptimWrapper', optimizer=dict(
        type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4))
    poly, = cfg.param_scheduler
    assert (poly.type, poly.power, poly.eta_min) == ('PolyLR', 0.9, 1e-5)
    assert cfg.train_cfg.max_epochs == epochs
    assert cfg.custom_hooks == [dict(type='CoTrainingHook', warm_up=2)]
    crop = next(step for step in cfg.train_dataloader.dataset.pipeline
                if step.type == 'RandomResizedCrop')
    assert (cfg.train_dataloader.batch_size, crop.size, crop.scale) == (16, 512, (0.5, 0.75))
