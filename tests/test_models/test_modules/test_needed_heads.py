"""A head that lacks what a module needs is refused when the model is built, however late the module
begins."""

import pytest

from mmwsss.models import WSSSClassifier
from mmwsss.registry import MODELS

GAP = dict(type='GAPHead', num_classes=3, in_channels=8)
BACKGROUND = 'a background score'


@pytest.mark.parametrize('module, options, need, mend', [
    ('SelfSupervisedRegularization', {}, BACKGROUND, 'background=True'),
    ('ExplicitPseudoPixelSupervision', {}, BACKGROUND, 'background=True'),
    ('FeatureSpatialActivationExpansion', {}, f"{BACKGROUND} for background='head'",
     "background='one_minus_max'"),
    ('AdversarialErasingTriplet', {}, 'gated pyramid pooling', "head=dict(type='GPPHead', ...)"),
    ('RegionalContrast', dict(embed_channels=6), "an embedding for contrast='prototype'",
     'embed_channels=6'),
    ('SelfSupervisedEquivariantAttention', dict(size=16), 'the revised CAM', 'SEAMHead'),
    ('PixelToPrototypeContrast', dict(size=16), 'the revised CAM', 'SEAMHead'),
    ('ImageSpecificPrototypes', {}, 'the hierarchical feature', 'SIPEHead'),
])
def test_named_with_the_head_and_the_mend(tiny_backbone, module, options, need, mend):
    config = dict(type=module, begin=10, **options)
    with pytest.raises(ValueError) as error:
        WSSSClassifier(tiny_backbone, GAP, [config], teacher=True)
    said = str(error.value)
    assert said.startswith(f'{module} needs ') and need in said and mend in said
    assert 'GAPHead does not give' in said


def test_a_head_of_its_own_states_its_background(tiny_backbone):
    """Any class does: what counts is the attribute."""
    from mmwsss.models.heads import GAPHead

    @MODELS.register_module(force=True)
    class HeadWithBackground(GAPHead):

        def __init__(self, **kwargs):
            super().__init__(background=True, **kwargs)

    head = dict(GAP, type='HeadWithBackground')
    WSSSClassifier(tiny_backbone, head, [dict(type='SelfSupervisedRegularization')])
