"""What checkpoints load: earlier names of the modules, those without a teacher."""

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from mmwsss.models.classifiers import WSSSClassifier
from mmwsss.models.modules import WSSSModule
from mmwsss.registry import MODELS


@pytest.fixture
def networks():
    """Two classifiers of other weights."""
    backbone = dict(type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6), norm_eval=False,
                    frozen_stages=-1)
    built = []
    for seed in range(2):
        torch.manual_seed(seed)
        built.append(MODELS.build(dict(
            type='WSSSClassifier', backbone=backbone,
            head=dict(type='SEAMHead', num_classes=3, in_channels=(16, 32, 128),
                      mid_channels=(4, 4), pcm_channels=5),
            modules=[dict(type='PixelToPrototypeContrast', in_channels=128, proj_channels=6,
                          size=16)])))
    return built


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_checkpoints_with_the_earlier_name(networks, prefix):
    one, other = networks
    own = 'wsss_modules.0.projection.weight'
    old = {prefix + key.replace('wsss_modules.', 'ideas.'): value
           for key, value in one.state_dict().items()}
    assert prefix + 'ideas.0.projection.weight' in old and prefix + own not in old
    assert not torch.equal(one.state_dict()[own], other.state_dict()[own])
    target = nn.ModuleDict(dict(module=other)) if prefix else other
    keys = target.load_state_dict(old, strict=True)
    assert not keys.missing_keys and not keys.unexpected_keys
    assert prefix + 'ideas.0.projection.weight' in old  # the file's dict is left as it is
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


def test_by_mmengine_and_with_other_shapes(networks):
    one, other = networks
    old = {key.replace('wsss_modules.', 'ideas.'): value for key, value in
           one.state_dict().items()}
    load_state_dict(other, dict(old), strict=True)
    assert all(torch.equal(value, other.state_dict()[key])
               for key, value in one.state_dict().items())
    old['ideas.0.projection.weight'] = torch.zeros(7, 128, 1, 1)
    with pytest.raises(ValueError, match='wsss_modules.0.projection.weight'):
        other.load_state_dict(old)


class Own(WSSSModule):
    """A module of a user, with what its ``loss`` gives."""

    gives = None

    def loss(self, views):
        return self.gives


@pytest.mark.parametrize('gives, error, match', [
    (torch.ones(()), TypeError, 'Own.loss must give a dict of tensors by name, not Tensor'),
    (None, TypeError, 'not NoneType'),
    (dict(loss_a=1.), TypeError, r"not \{'loss_a': 'float'\}"),
    (dict(consistency=torch.ones(())), ValueError, r"\['consistency'\], of which nothing.*loss_")])
def test_what_a_module_must_give(gives, error, match):
    module = Own()
    module.gives = gives
    with pytest.raises(error, match=match):
        module.terms(None, 1.)


def test_only_losses_are_weighted():
    module = Own(name='own')
    module.gives = dict(loss_a=torch.tensor(2.), share=torch.tensor(3.))
    assert module.terms(None, .5) == {'own.loss_a': 1., 'own.share': 3.}
    module.gives = {}
    assert module.terms(None, .5) == {}


def test_a_module_that_forgets_its_parent():
    class Forgetful(Own):

        def __init__(self):
            pass

    with pytest.raises(TypeError, match=r'Forgetful.__init__ must call super\(\).__init__'):
        MODELS.build(dict(
            type='WSSSClassifier', backbone=dict(type='ResNet38d', width=1 / 32),
            head=dict(type='GAPHead', num_classes=3, in_channels=128),
            modules=[dict(type=Forgetful)]))


def test_the_attribute(networks):
    one, _ = networks
    assert one.ideas is one.wsss_modules and len(one.ideas) == 1
    assert not any(name.startswith('ideas') for name, _ in one.named_modules())


def test_a_teacher_that_the_checkpoint_lacks_starts_at_the_student(networks):
    """And is not reported as missing; that a resume needs it is the loop's to say."""
    student, _ = networks
    torch.manual_seed(2)
    model = MODELS.build(dict(
        type='WSSSClassifier', teacher=True,
        backbone=dict(type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6)),
        head=dict(type='SEAMHead', num_classes=3, in_channels=(16, 32, 128),
                  mid_channels=(4, 4), pcm_channels=5)))
    own = {key: value for key, value in student.state_dict().items()
           if key.startswith(('backbone.', 'head.'))}
    load_state_dict(model, dict(own), strict=True)
    assert all(torch.equal(model.state_dict()[f'teacher.{key}'], own[key]) for key in own)
    assert 'teacher' not in model.loaded_networks


def test_every_network_starts_from_its_checkpoint(tmp_path):
    backbone = dict(type='ResNet38d', width=1 / 32, out_indices=(6, ), norm_eval=False,
                    frozen_stages=-1)
    weights = MODELS.build(backbone).state_dict()
    torch.save(weights, tmp_path / 'weights.pth')
    network = dict(
        backbone=dict(backbone, init_cfg=dict(type='Pretrained',
                                              checkpoint=str(tmp_path / 'weights.pth'))),
        head=dict(type='GAPHead', num_classes=3, in_channels=128))
    model = MODELS.build(dict(
        type='WSSSClassifier', **network, teacher=True,
        networks=dict(adversary=dict(type='CAMNetwork', **network))))
    model.init_weights()
    for owner in (model, model.teacher, model.networks['adversary']):
        state = owner.backbone.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in weights.items())


def test_modules_are_initialized():
    class Initialized(Own):
        started = False

        def init_weights(self):
            self.started = True

    model = WSSSClassifier(dict(type='ResNet38d', width=1 / 32, out_indices=(6, )),
                           dict(type='GAPHead', num_classes=3, in_channels=128),
                           modules=[dict(type=Initialized)])
    model.init_weights()
    assert model.wsss_modules[0].started
