"""Images of no class are legal training data in every method: bases, plug-ins, modules, heads,
views of the data, Grad-CAM, the methods of the demo, refiners."""

import json

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from test_any_base import (
    BASES,
    DEMO,
    FIVE,
    GENERAL,
    LAST_THREE,
    STAGES,
    TWO_VIEWS,
    C,
    build_demo,
    build_model,
)
from test_any_base import shapes as shapes  # the fixture

from mmwsss.datasets import EpochIndex
from mmwsss.datasets.transforms import AffinityLabels, LoadAffinityScores
from mmwsss.inference import generate_cams, generate_masks
from mmwsss.models import WSSSClassifier
from mmwsss.models.classifiers import Progress
from mmwsss.models.refiners import CAMRefiner, MaskRefiner
from mmwsss.registry import DATA_VIEWS, DATASETS, MODELS
from mmwsss.structures.artifacts import load_cam, read_mask

HEADS = dict(
    GAPHead=dict(num_classes=C, in_channels=8),
    GPPHead=dict(num_classes=C, in_channels=8, embed_channels=6),
    SEAMHead=BASES['seam'][1], SIPEHead=BASES['sipe'][1], MCTHead=BASES['mctformer'][1])


@pytest.fixture(scope='module')
def negatives(shapes):
    """Shapes whose first 8 images, and every second of the others, have no class; the images of
    ``VIEWS``' sources and targets are left."""
    root = shapes['data_root']
    with open(f'{root}/labels.json') as file:
        labels = json.load(file)
    names = sorted(labels)
    none = [n for i, n in enumerate(names) if i < 8 or i % 2]
    with open(f'{root}/negatives.json', 'w') as file:
        json.dump({n: [] if n in none else labels[n] for n in names}, file)
    # One class and several must be there for CSD.
    assert {1} < {len(labels[n]) for n in names if n not in none}
    options = {k: v for k, v in shapes.items() if k not in ('num_images', 'image_size')}
    return dict(
        options, type='ImageLabelDataset', img_dir='JPEGImages', label_file='negatives.json',
        metainfo=dict(classes=DATASETS.get('ShapesDataset').METAINFO['classes']),
        allow_negatives=True)


def data_of(config, model):
    """A data set that gives all that a model asks for."""
    wanted = {view for module in model.wsss_modules for view in module.views}
    fields = {field for module in model.wsss_modules for field in module.fields}
    views = [dict(type='PairedView')] * ('paired' in wanted)
    views += [dict(type='CrossDomainView')] * ('source' in wanted)
    pipeline = [
        dict(type='LoadImage'),
        *[dict(type='LoadMask', key='saliency')] * ('saliency' in fields),
        dict(type='RandomPadCrop', size=32), dict(type='RandomFlip'),
        *[dict(type='StrongView', num_ops=1)] * ('strong' in wanted),
        dict(type='PackWSSSInputs')]
    return DATASETS.build(dict(config, views=views, pipeline=pipeline))


def learns_without_class(model, config, dataset=None):
    """One step on negatives only and one on a mixed batch: finite losses and gradients."""
    model.train()
    dataset = dataset or data_of(config, model)
    model.check_sample(dataset[0])
    matrix = dataset.label_matrix()
    assert not matrix[:4].any() and matrix[8:12].any() and not matrix[8:12].any(1).all()
    for start, phase in ((0, ''), (8, ''), (0, 'adversary'), (8, 'adversary')):
        if phase and 'adversary' not in model.networks:
            continue
        batch = pseudo_collate([dataset[EpochIndex(start + i, 0)] for i in range(4)])
        progress = Progress(phase=phase or None)
        if 'adversary' in model.networks:
            for name, part in (('localizer', model.backbone), ('adversary', model.networks)):
                part.requires_grad_(name == (phase or 'localizer'))
            model.head.requires_grad_(not phase)
        model.set_progress(progress)
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        total, _ = model.parse_losses(losses)
        bad = [name for name, value in losses.items() if not torch.isfinite(value).all()]
        assert not bad, f'{bad} on images {start} to {start + 3}'
        model.zero_grad()
        if total.requires_grad:
            total.backward()
        bad = [name for name, p in model.named_parameters()
               if p.grad is not None and not torch.isfinite(p.grad).all()]
        assert not bad, f'gradient of {bad} on images {start} to {start + 3}'


@pytest.mark.parametrize('plugins', [(), ('fsae', ), ('csd', ), ('fsae', 'csd')])
@pytest.mark.parametrize('base', BASES)
def test_bases_and_plugins(negatives, base, plugins):
    learns_without_class(build_model(base, plugins), negatives)


def test_every_module(negatives):
    """All registered modules, each alone with what it needs beside it."""
    special = dict(
        SelfSupervisedEquivariantAttention=BASES['seam'], ImageSpecificPrototypes=BASES['sipe'],
        PixelToPrototypeContrast=BASES['ppc_eps'])
    configs = {module['type']: module for module in GENERAL}
    seen = set()
    from mmwsss.models.modules.base import WSSSModule
    for name, kind in MODELS.module_dict.items():
        if not issubclass(kind, WSSSModule) or not kind.__module__.startswith('mmwsss.'):
            continue
        torch.manual_seed(0)
        seen.add(name)
        if name in special:
            backbone, head, modules, options, _ = special[name]
            model = WSSSClassifier(backbone, head, modules, **options)
        elif name == 'AdversarialErasing':
            continue  # below, with its adversary
        else:
            head = dict(HEADS['GPPHead'], type='GPPHead', background=True)
            model = WSSSClassifier(STAGES, head, [configs[name]], teacher=True)
        learns_without_class(model, negatives)
    assert len(seen) >= 14 and set(special) <= seen


@pytest.mark.parametrize('cam', [None, dict(type='GradCAM')])
@pytest.mark.parametrize('average', ['copies', 'classes'])
def test_eader(negatives, cam, average):
    head = dict(HEADS['GAPHead'], type='GAPHead')
    module = dict(type='AdversarialErasing', average=average,
                  attention='grad_cam' if cam else 'cam')
    model = WSSSClassifier(
        STAGES, head, [module], cam=cam,
        networks=dict(adversary=dict(type='CAMNetwork', backbone=STAGES, head=head)))
    learns_without_class(model, negatives)


def test_every_head(negatives, tmp_path):
    """Losses, and CAM files without maps, of every head."""
    names = {name for name, kind in MODELS.module_dict.items()
             if kind.__module__.startswith('mmwsss.models.heads.') and name.endswith('Head')}
    assert names == set(HEADS)
    backbones = dict(
        GAPHead=STAGES, GPPHead=STAGES, SEAMHead=BASES['seam'][0], SIPEHead=BASES['sipe'][0],
        MCTHead=BASES['mctformer'][0])
    for name, options in HEADS.items():
        more = TWO_VIEWS if name == 'SEAMHead' else {}
        model = WSSSClassifier(backbones[name], dict(options, type=name), **more)
        if name != 'SEAMHead':
            learns_without_class(model, negatives)
        whole = DATASETS.build(dict(
            negatives, pipeline=[dict(type='LoadImage'), dict(type='PackWSSSInputs')],
            indices=[0, 9, 8]))
        cams, masks = tmp_path / name / 'cam', tmp_path / name / 'mask'
        generate_cams(model, whole, cams, scales=(1., ), num_workers=0)
        refiner = dict(type='ThresholdMask', bg=0.3)
        assert not generate_masks(whole, cams, masks, refiner).failed
        for i in range(3):
            info = whole.get_data_info(i)
            cam, keys, size, _ = load_cam(cams / f'{info["name"]}.npz')
            assert len(cam) == len(keys) == len(info['labels']) and size == (40, 40)
            if not info['labels']:
                assert not read_mask(masks / f'{info["name"]}.png').any()


@pytest.mark.slow
@pytest.mark.parametrize('path', DEMO, ids=lambda path: path.stem)
def test_every_method_of_the_demo(negatives, path):
    """Its model and its views of the data, all of whose parts act from the first step on."""
    model, dataset = build_demo(path, negatives)
    learns_without_class(model, negatives, dataset)


@pytest.mark.parametrize('options', [{}, dict(unary='labels'), dict(keep=0.5)])
def test_every_refiner_gives_background(options, tmp_path):
    """All registered ones, and what the affinity networks learn from."""
    torch.manual_seed(0)
    networks = dict(
        PSAMask=dict(type='AffinityNet', backbone=LAST_THREE, in_channels=(6, 6, 8),
                     channels=(2, 2, 2)),
        IRNMask=dict(type='IRNet', backbone=LAST_THREE, in_channels=(6, 6, 8), stem=None))
    image, none = np.zeros((16, 24, 3), np.uint8), np.zeros((0, 3, 3))
    seen = set()
    for name, kind in MODELS.module_dict.items():
        if (not issubclass(kind, CAMRefiner)
                or not kind.__module__.startswith('mmwsss.')):
            continue
        seen.add(name)
        config = dict(type=name, bg=0.3) if issubclass(kind, MaskRefiner) else dict(type=name)
        if name in networks:
            path = tmp_path / f'{name}.pth'
            torch.save(MODELS.build(networks[name]).state_dict(), path)
            config.update(model=networks[name], checkpoint=str(path))
        known = dict(CRFMask='unary', AffinityScores='unary').get(name, 'keep')
        if issubclass(kind, MaskRefiner) or known == 'unary':
            config.update({key: value for key, value in options.items() if key == known})
        refiner = MODELS.build(config)
        result = refiner(image, none, [])
        if name == 'AffinityScores':
            refiner.save(tmp_path / 'a.npz', result)
            data = dict(prior_path=str(tmp_path / 'a.npz'), img=image)
            result = AffinityLabels(8)(LoadAffinityScores()(data))['prior_mask']
            assert result.shape == (2, 3)
        else:
            assert result.shape == (16, 24)
        assert not result.any(), name
    assert {'ThresholdMask', 'PARMask', 'CRFMask', 'IRLabel', 'AffinityScores', *networks} <= seen


def test_views_of_the_data(negatives):
    """A negative is paired with a negative; CSD's source and target have classes."""
    views = {name for name in DATA_VIEWS.module_dict if name.startswith(('Paired', 'CrossDomain'))}
    dataset = DATASETS.build(dict(
        negatives, pipeline=[dict(type='LoadImage'), dict(type='RandomPadCrop', size=32),
                             dict(type='PackWSSSInputs')],
        views=[dict(type=name) for name in sorted(views)]))
    assert {'PairedView', 'CrossDomainView'} == views
    for index in (0, 9, 8):
        labels = {name: sample.gt_label for name, sample in dataset[index]['data_samples'].items()}
        assert bool(labels['paired'].any()) == bool(labels['image'].any())
        assert labels['source'].sum() == 1 and labels['target'].sum() > 1
    partners = {dataset.views[1].partner(0, epoch) for epoch in range(30)}
    assert len(partners) > 3  # not always the same one


def test_ktse_with_all_on_negatives(negatives):
    torch.manual_seed(0)
    head = dict(HEADS['GPPHead'], type='GPPHead', background=True)
    learns_without_class(WSSSClassifier(STAGES, head, FIVE, teacher=True), negatives)
