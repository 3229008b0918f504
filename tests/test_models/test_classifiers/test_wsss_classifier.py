"""What checkpoints load: earlier names of the modules, those without a teacher."""

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

import mmwsss.models  # noqa: F401
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
