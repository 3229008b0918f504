"""Plug-ins fit any base: every base, alone, with FSAE, with CSD and with both, learns on Shapes,
and so does every subset of KTSE's modules, CSD and FSAE. No module is left out for another."""

from itertools import combinations
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmwsss.datasets import EpochIndex
from mmwsss.inference import read_config
from mmwsss.models import WSSSClassifier
from mmwsss.models.classifiers import Progress
from mmwsss.registry import DATASETS, MODELS

C = 6
STAGES = dict(type='TinyStages')
LAST_THREE = dict(type='TinyStages', out_indices=(1, 2, 3))
SEAM_HEAD = dict(type='SEAMHead', num_classes=C, in_channels=(6, 6, 8), mid_channels=(4, 4),
                 pcm_channels=5)
GPP_HEAD = dict(type='GPPHead', num_classes=C, in_channels=8, embed_channels=6)
TWO_VIEWS = dict(cls_views=('image', 's16'), cls_weight=0.5)
KTSE = [
    dict(type='SimulatedInterImageErasing', num_pairs=2),
    dict(type='SelfSupervisedRegularization'),
    dict(type='MultiGranularityAlignment')
]
SEAM = dict(type='SelfSupervisedEquivariantAttention', size=16)
EPS = dict(type='ExplicitPseudoPixelSupervision', size=16, revised=True)
PPC = dict(type='PixelToPrototypeContrast', in_channels=8, proj_channels=6, size=16)
# Name: backbone, head, modules, options, FSAE's background score.
BASES = dict(
    gpp=(STAGES, GPP_HEAD, [], {}, 'one_minus_max'),
    ktse=(STAGES, dict(GPP_HEAD, background=True), KTSE, {}, 'head'),
    seam=(LAST_THREE, SEAM_HEAD, [SEAM], TWO_VIEWS, 'one_minus_max'),
    ppc_eps=(LAST_THREE, SEAM_HEAD, [SEAM, EPS, PPC], TWO_VIEWS, 'head'),
    sipe=(dict(type='TinyStages', out_indices=(0, 1, 2, 3)),
          dict(type='SIPEHead', num_classes=C, in_channels=(4, 6, 6, 8), side_channels=(3, ) * 4),
          [dict(type='ImageSpecificPrototypes')], {}, 'one_minus_max'),
    irn=(STAGES, dict(type='GAPHead', num_classes=C, in_channels=8), [], {}, 'one_minus_max'),
    mctformer=(dict(type='MCTDeiT', num_classes=C, img_size=32, patch_size=8, embed_dims=12,
                    depth=2, num_heads=2, mlp_ratio=2),
               dict(type='MCTHead', num_classes=C, in_channels=12, detach_patch=False), [], {},
               'constant'))
DEMO = sorted((Path(__file__).parents[3] / 'configs/demo').glob('*.py'))
CROP = [dict(type='RandomPadCrop', size=32), dict(type='RandomFlip')]


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """Config of a small Shapes with saliency maps and prior masks (the exact ones)."""
    root = tmp_path_factory.mktemp('shapes')
    config = dict(type='ShapesDataset', data_root=str(root), num_images=24, image_size=40)
    dataset = DATASETS.build(config)
    (root / 'saliency').mkdir()
    for record in dataset.load_data_list():
        mask = cv2.imread(str(root / 'SegmentationClassAug' / f'{record["name"]}.png'), -1)
        salient = (mask > 0).astype('uint8') * 255
        cv2.imwrite(str(root / 'saliency' / f'{record["name"]}.png'), salient)
    return dict(config, saliency_dir='saliency', prior_dir='SegmentationClassAug')


def build_data(shapes, base, plugins):
    load = [dict(type='LoadImage')]
    if base == 'ppc_eps':
        load += [dict(type='LoadMask', key='saliency')]
    strong = [dict(type='StrongView')] if 'fsae' in plugins else []
    views = ['PairedView'] * (base == 'ktse') + ['CrossDomainView'] * ('csd' in plugins)
    config = dict(shapes, pipeline=[*load, *CROP, *strong, dict(type='PackWSSSInputs')],
                  views=[dict(type=view) for view in views])
    return DATASETS.build(config)


def build_demo(path, shapes):
    """Model and data set of a method of the demo, all of whose parts act from the first step."""
    torch.manual_seed(0)
    cfg = read_config(path)
    data = cfg.train_dataloader.dataset
    views = [dict(view) for view in data.get('views') or []]
    modules = [dict(module) for module in cfg.model.get('modules') or []]
    for part in (*views, *modules):
        for key in ('begin', 'ramp'):
            part.pop(key, None)
    model = MODELS.build(dict(cfg.model, modules=modules))
    return model, DATASETS.build(dict(shapes, views=views, pipeline=data.pipeline))


def build_model(base, plugins):
    torch.manual_seed(0)
    backbone, head, modules, options, background = BASES[base]
    modules = list(modules)
    if 'fsae' in plugins:
        # Thresholds that a network without training reaches.
        modules.append(dict(type='FeatureSpatialActivationExpansion', background=background,
                            tau_fae=0.3, tau_sae=0.2))
    if 'csd' in plugins:
        modules.append(dict(type='CrossDomainDecoupling'))
    return WSSSClassifier(backbone, head, modules, **options)


def train(model, dataset, steps):
    """Some steps, in which every module has a finite loss with a gradient."""
    model.check_sample(dataset[0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for step in range(steps):
        batch = pseudo_collate([dataset[EpochIndex((4 * step + i) % 24, 0)] for i in range(4)])
        model.set_progress(Progress(iter=step))
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        assert {module.prefix for module in model.wsss_modules} <= {
            name.split('.')[0] for name in losses}
        total, _ = model.parse_losses(losses)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        assert torch.isfinite(total)


@pytest.mark.parametrize('plugins', [(), ('fsae', ), ('csd', ), ('fsae', 'csd')])
@pytest.mark.parametrize('base', BASES)
def test_some_steps(shapes, base, plugins):
    dataset, model = build_data(shapes, base, plugins), build_model(base, plugins).train()
    train(model, dataset, 3)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    learns = [name for name, p in model.named_parameters() if p.grad is not None]
    assert any(name.startswith('backbone') for name in learns)
    with torch.no_grad():
        cam = model.eval().predict_cam(torch.randn(2, 3, 32, 40))
    assert cam.shape[:2] == (2, C) and torch.isfinite(cam).all()


# Modules that one network can have together, with what each needs beside it.
FSAE = dict(type='FeatureSpatialActivationExpansion', background='head', tau_fae=0.3, tau_sae=0.2)
CSD = dict(type='CrossDomainDecoupling')
VIEW_OF = dict(paired=dict(type='PairedView'), source=dict(type='CrossDomainView'))
GENERAL = [
    *KTSE, CSD, FSAE,
    dict(type='ErasedClassification'),
    dict(type='AdversarialErasingTriplet'),
    dict(type='RegionalContrast', num_classes=C, embed_channels=6, scales=(0.5, 1.)),
    dict(type='MultiScaleAttention', scales=(0.5, 1.)),
    dict(type='ExplicitPseudoPixelSupervision', size=16),
]


def learn(shapes, modules, head=None, steps=1):
    torch.manual_seed(0)
    model = WSSSClassifier(STAGES, head or dict(GPP_HEAD, background=True), modules, teacher=True)
    wanted = {view for module in model.wsss_modules for view in module.views}
    fields = {field for module in model.wsss_modules for field in module.fields}
    saliency = [dict(type='LoadMask', key='saliency')] if 'saliency' in fields else []
    strong = [dict(type='StrongView', num_ops=1)] if 'strong' in wanted else []
    dataset = DATASETS.build(dict(
        shapes, views=[VIEW_OF[view] for view in VIEW_OF if view in wanted],
        pipeline=[dict(type='LoadImage'), *saliency, *CROP, *strong, dict(type='PackWSSSInputs')]))
    assert len(model.wsss_modules) == len(modules)
    train(model.train(), dataset, steps)


FIVE = [*KTSE, CSD, FSAE]


@pytest.mark.parametrize('size', range(1, 6))
def test_all_subsets_of_five(shapes, size):
    """SIE, SSR, MGA, CSD and FSAE in one model on one data set, in any order."""
    for number, modules in enumerate(combinations(FIVE, size)):
        learn(shapes, list(modules if number % 2 else reversed(modules)))


@pytest.mark.parametrize('first', range(len(GENERAL) - 1))
def test_all_pairs(shapes, first):
    for second in GENERAL[first + 1:]:
        learn(shapes, [GENERAL[first], second])


def test_all_at_once(shapes):
    learn(shapes, GENERAL, steps=2)
