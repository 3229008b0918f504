"""Modules of one's own in the loop: when they begin, their parameters, gradients that are NaN."""

from pathlib import Path

import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch import nn
from torch.utils.data import Dataset

from mmwsss.datasets.samplers import EpochSampler
from mmwsss.engine import WSSSRunner
from mmwsss.engine.checks import check_samples, check_unused
from mmwsss.engine.loops import WSSSTrainLoop
from mmwsss.inference import read_config
from mmwsss.models import WSSSClassifier
from mmwsss.models.modules import WSSSModule
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils import register_all_modules

C = 3


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=4, padding=1)

    def forward(self, x):
        return (self.conv(x), )


class Dark(WSSSModule):
    """Compares with a view of the data."""

    prefix = 'dark'
    views = ('dark', )

    def loss(self, views):
        return dict(loss_a=(views['image'].cam - views['dark'].cam).square().mean())


class Layer(WSSSModule):
    """Has a layer of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layer = nn.Conv2d(C, C, 1)

    def loss(self, views):
        return dict(loss_a=self.layer(views['image'].cam).square().mean())


class Root(WSSSModule):
    """Its gradient is NaN where its value is 0."""

    prefix = 'root'

    def loss(self, views):
        cam = views['image'].cam
        return dict(loss_a=(cam - cam).sqrt().mean())


class Begins:
    def __init__(self, name, begin):
        self.name, self.begin = name, begin


class Images(Dataset):
    """Noise, with the view ``dark`` from an epoch on."""

    metainfo = dict(classes=('a', 'b', 'c'))

    def __init__(self, begin=0):
        self.views = [Begins('dark', begin)]

    def __len__(self):
        return 4

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(int(index))
        image = torch.randint(256, (3, 32, 32), dtype=torch.uint8, generator=generator)
        inputs = dict(image=image)
        if getattr(index, 'epoch', 0) >= self.views[0].begin:
            inputs['dark'] = image // 2
        return dict(inputs=inputs,
                    data_samples=dict(image=WSSSDataSample(gt_label=torch.ones(C))))


def classifier(*modules):
    torch.manual_seed(0)
    return WSSSClassifier(dict(type=Stem), dict(type='GAPHead', num_classes=C, in_channels=8),
                          modules=modules)


def make_runner(tmp_path, model, dataset, workers=None, **train_cfg):
    return WSSSRunner(
        model, str(tmp_path),
        train_dataloader=dict(
            batch_size=2, num_workers=0, dataset=dataset, sampler=dict(type=EpochSampler),
            collate_fn=dict(type=pseudo_collate), **(workers or {})),
        train_cfg=dict(type=WSSSTrainLoop, **train_cfg),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        default_hooks=dict(checkpoint=dict(type='WSSSCheckpointHook', interval=1)),
        default_scope='mmwsss', randomness=dict(seed=7), experiment_name=f'own_{id(tmp_path)}')


@pytest.mark.parametrize('begin', [dict(begin=1), dict(begin=2, by_epoch=False)])
def test_a_view_that_begins_after_its_module(tmp_path, begin):
    module = dict(type=Dark, **begin)
    make_runner(tmp_path / 'right', classifier(module), Images(1), max_epochs=3).train()
    model = classifier(module)
    runner = make_runner(tmp_path / 'wrong', model, Images(2), max_epochs=3)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match='Dark needs the view "dark", which the data does not give '
                       rf'yet in epoch 1, .*\(Dark begin={module["begin"]}; .*: dark begin=2\)'):
        runner.train()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_modules_that_begin_later_need_nothing_yet():
    model = classifier(dict(type=Dark, begin=2), dict(type=Layer, begin=1))
    check_samples(model, Images(2), 4)
    with pytest.raises(ValueError, match='yet in epoch 2.*dark begin=3'):
        check_samples(model, Images(3), 4)
    late = list(model.wsss_modules)[:1]
    check_samples(model, Images(9), 4, late)
    with pytest.raises(KeyError, match='must not be after the last epoch'):
        check_samples(model, Images(9), 4)


@pytest.mark.parametrize('options, kind, refused', [
    (dict(begin=1), Layer, True), (dict(ramp=1), Layer, True), ({}, Layer, False),
    (dict(begin=1), Dark, False)])
def test_unused_parameters_on_several_processes(tmp_path, options, kind, refused):
    model = classifier(dict(type=kind, **options))
    check_unused(model, model.wsss_modules)  # one process
    model.find_unused_parameters = True
    check_unused(model, model.wsss_modules)
    model.find_unused_parameters = False  # as a MMDistributedDataParallel that was not told so
    runner = make_runner(tmp_path, model, Images(), max_epochs=2)
    if not refused:
        return runner.train()
    with pytest.raises(ValueError, match='Layer has parameters of its own.*'
                                         'set find_unused_parameters=True'):
        runner.train()


def test_a_gradient_that_is_no_number(tmp_path):
    """Another term is named, so the message says what else it can be."""
    with pytest.raises(FloatingPointError, match=r'"loss_cls" is nan.*gradient that is no number.*'
                                                 'tools/analysis_tools/term_gradients.py'):
        make_runner(tmp_path, classifier(dict(type=Root)), Images(), max_epochs=1).train()


@pytest.mark.parametrize('workers', [
    dict(persistent_workers=True), dict(prefetch_factor=4),
    dict(persistent_workers=True, prefetch_factor=4)])
def test_no_workers(tmp_path, workers):
    """What asks something of the workers means nothing without them."""
    runner = make_runner(tmp_path, classifier(), Images(), workers, max_epochs=1)
    runner.train()
    loader = runner.build_dataloader(dict(
        batch_size=2, num_workers=1, dataset=Images(), sampler=dict(type=EpochSampler), **workers))
    assert loader.persistent_workers == ('persistent_workers' in workers)


@pytest.mark.slow
def test_configs_say_where_parameters_rest():
    """Every config trains on several processes as it is."""
    register_all_modules()
    root, seen = Path(__file__).parents[2], 0
    for file in sorted(root.glob('configs/*/*.py')):
        if file.parent.name == 'tables':
            continue
        cfg = read_config(str(file))
        for config in (cfg.get('model') or {}).get('modules') or []:
            module = MODELS.build(config)
            if (module.begin or module.ramp) and any(p.requires_grad for p in module.parameters()):
                assert cfg.get('find_unused_parameters'), file
            seen += 1
    assert seen > 100
