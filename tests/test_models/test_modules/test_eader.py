"""EADER's equations against loops, Grad-CAM against hooks, and what each phase costs and moves."""

import math
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from torch import nn

from mmwsss.engine import MultiOptimWrapperConstructor
from mmwsss.models import WSSSClassifier
from mmwsss.models.classifiers import GradCAM, Progress
from mmwsss.models.modules.eader import (
    attention_mining_loss,
    attention_size_loss,
    normalize_attention,
    soft_mask,
)
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

CONFIGS = Path(__file__).parents[3] / 'configs' / 'eader'
C = 4
LABELS = torch.tensor([[1., 0, 0, 1], [0, 1, 0, 0], [1, 1, 1, 0]])


@MODELS.register_module(force=True)
class TinyBackbone(BaseModule):
    """Two convolutions, stride 4, with batch statistics."""

    def __init__(self, channels=6, norm=True):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1), nn.BatchNorm2d(channels) if norm else nn.Identity(),
            nn.ReLU(), nn.Conv2d(channels, channels, 3, 2, 1), nn.Tanh())

    def forward(self, x):
        return (self.layers(x), )


def network(**kwargs):
    return dict(
        backbone=dict(type='TinyBackbone', **kwargs),
        head=dict(type='GAPHead', num_classes=C, in_channels=6, bias=True))


def classifier(norm=True, **kwargs):
    torch.manual_seed(0)
    return WSSSClassifier(
        **network(norm=norm),
        networks=dict(adversary=dict(type='CAMNetwork', **network(norm=norm))),
        modules=[dict(type='AdversarialErasing', **kwargs)])


def set_phase(model, phase):
    for part in (model.backbone, model.head):
        part.requires_grad_(phase == 'localizer')
    model.networks.adversary.requires_grad_(phase == 'adversary')
    model.set_progress(Progress(phase=phase))
    return model.train()


def batch(labels=LABELS, size=16):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(len(labels), 3, size, size, generator=generator)
    return dict(image=images), dict(image=[WSSSDataSample(gt_label=row) for row in labels])


# -- equations -------------------------------------------------------------------------------------
def test_soft_mask():
    cam = torch.tensor([0., 0.4, 0.5, 0.52, 1.])
    expected = [1 / (1 + math.exp(-100 * (a - 0.5))) for a in cam.tolist()]
    assert soft_mask(cam).tolist() == pytest.approx(expected, abs=1e-6)
    expected = [1 / (1 + math.exp(-3 * (a - 0.2))) for a in cam.tolist()]
    assert soft_mask(cam, 3., 0.2).tolist() == pytest.approx(expected, abs=1e-6)


def test_attention_mining_loss():
    scores = torch.rand(5, C)
    classes = torch.tensor([3, 0, 0, 2, 1])
    total = sum(scores[m, classes[m]].item() for m in range(5))
    assert attention_mining_loss(scores, classes).item() == pytest.approx(total / 5)
    assert attention_mining_loss(scores, classes, 12).item() == pytest.approx(total / 12)


def test_attention_size_loss():
    cam = torch.rand(3, 4, 5)
    assert attention_size_loss(cam).item() == pytest.approx(cam.numpy().sum() / (3 * 4 * 5))
    assert attention_size_loss(cam, 8.).item() == pytest.approx(cam.numpy().sum() / (8 * 4 * 5))


def test_normalize_attention():
    cam = torch.tensor([[[-1., 1], [3, 0]], [[2., 2], [2, 2]], [[-3., -2], [-2, -2]]])
    minmax = torch.tensor([[[0., 0.5], [1, 0.25]], [[0., 0], [0, 0]], [[0., 1], [1, 1]]])
    assert normalize_attention(cam).equal(minmax)
    by_max = torch.tensor([[[0., 1 / 3], [1, 0]], [[1., 1], [1, 1]], [[0., 0], [0, 0]]])
    torch.testing.assert_close(normalize_attention(cam, 'max'), by_max)


# -- Grad-CAM --------------------------------------------------------------------------------------
def hooked_grad_cam(model, image, label):
    """The textbook: hooks and one backward pass for one image and class."""
    kept = {}
    handles = [
        model.backbone.register_forward_hook(lambda m, i, o: kept.update(feat=o[0])),
        model.backbone.layers[-1].register_full_backward_hook(
            lambda m, gi, go: kept.update(grad=go[0]))]
    model(image[None]).logits[0, label].backward()
    for handle in handles:
        handle.remove()
    model.zero_grad()
    feat, grad = kept['feat'][0], kept['grad'][0]
    cam = torch.zeros(feat.shape[1:])
    for d in range(len(feat)):
        cam += grad[d].mean() * feat[d]
    return cam.clamp(min=0).detach()


@pytest.fixture
def model():
    return classifier().eval()


def test_grad_cam_equals_the_hooked_one_and_leaves_no_trace(model):
    images = batch()[0]['image']
    cam = GradCAM().attend(model(images), LABELS)
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())
    for n, c in LABELS.nonzero().tolist():
        torch.testing.assert_close(cam[n, c], hooked_grad_cam(model, images[n], c))
    assert cam[LABELS == 0].abs().sum() == 0


def test_grad_cam_gradient_flows_through_the_features_only(model):
    images = batch()[0]['image']
    output = model(images)
    weight = model.head.classifier.weight
    probe = torch.randn(3, C, 4, 4)
    (GradCAM(relu=False).attend(output, LABELS) * probe).sum().backward()
    assert weight.grad is None
    # With constant weights W / (h w) the map is linear in the features.
    expected = torch.zeros(3, 6, 4, 4)
    for n, c in LABELS.nonzero().tolist():
        expected[n] += weight.detach()[c, :, 0, 0, None, None] / 16 * probe[n, c]
    model.zero_grad()
    feats = model.backbone(images)[0]
    grads = torch.autograd.grad((feats * expected).sum(), model.backbone.layers[0].weight)[0]
    (GradCAM(relu=False).attend(model(images), LABELS) * probe).sum().backward()
    torch.testing.assert_close(model.backbone.layers[0].weight.grad, grads)


@pytest.mark.parametrize('context', [torch.no_grad, torch.enable_grad, torch.inference_mode])
@pytest.mark.parametrize('frozen', [True, False])
def test_grad_cam_in_inference(model, context, frozen):
    images = batch()[0]['image']
    expected = GradCAM().attend(model(images)).detach()
    model.requires_grad_(not frozen)
    model.cam = MODELS.build(dict(type='GradCAM'))
    with context():
        cam = model.predict_cam(images)
    torch.testing.assert_close(cam, expected)
    assert not cam.requires_grad and all(p.grad is None for p in model.parameters())


def test_grad_cam_of_one_view_out_of_a_joint_pass(model):
    images = torch.randn(5, 3, 16, 16)
    labels = torch.rand(3, C).round()
    parts = model(images).split([2, 3])
    alone = GradCAM().attend(model(images[2:]), labels)
    torch.testing.assert_close(GradCAM().attend(parts[1], labels), alone)


def test_grad_cam_without_gradient_is_refused(model):
    with torch.no_grad():
        output = model(batch()[0]['image'])
    with pytest.raises(ValueError, match='needs a pass made with gradient'):
        GradCAM().attend(output)
    with pytest.raises(ValueError, match='needs a pass made with gradient'):
        GradCAM().attend(model(batch()[0]['image']).detach())


# -- module ----------------------------------------------------------------------------------------
def reference(model, images, labels, prob=True):
    """L_am, L_reg and L_adv one copy at a time (no batch statistics)."""
    mined, size, adversary, m = 0., 0., 0., 0
    adv = model.networks.adversary
    for n, c in labels.nonzero().tolist():
        cam = hooked_grad_cam(model, images[n], c)
        cam = nn.functional.interpolate(cam[None, None], images.shape[-2:], mode='bilinear')[0, 0]
        cam = cam - cam.min()
        cam = cam / (cam.max() if cam.max() > 0 else 1)
        erased = images[n] * (1 - torch.sigmoid(100 * (cam - 0.5)))
        logits = adv(erased[None]).logits[0].detach()
        mined += (logits.sigmoid() if prob else logits)[c].item()
        size += cam.mean().item()
        p = logits.sigmoid()
        adversary += -(labels[n] * p.log() + (1 - labels[n]) * (1 - p).log()).mean().item()
        m += 1
    return mined, size, adversary, m


@pytest.mark.parametrize('paper', [False, True])
def test_losses_of_both_phases(paper):
    options = dict(mining='logit', average='classes') if paper else {}
    model = classifier(norm=False, **options)
    inputs, samples = batch()
    mined, size, adversary, m = reference(model, inputs['image'], LABELS, not paper)
    divisor = 3 * C if paper else m
    losses = set_phase(model, 'localizer').loss(inputs, samples)
    assert set(losses) == {'loss_cls', 'eader.loss_am', 'eader.loss_reg'}
    assert losses['eader.loss_am'].item() == pytest.approx(0.05 * mined / divisor, rel=1e-4)
    assert losses['eader.loss_reg'].item() == pytest.approx(1e-5 * size / divisor, rel=1e-4)
    losses = set_phase(model, 'adversary').loss(inputs, samples)
    assert set(losses) == {'eader.loss_adv'}
    assert losses['eader.loss_adv'].item() == pytest.approx(adversary / m, rel=1e-4)


@pytest.mark.parametrize('attention', ['grad_cam', 'cam'])
@pytest.mark.parametrize('phase', ['localizer', 'adversary'])
def test_each_phase_moves_its_network_only(phase, attention):
    model = set_phase(classifier(attention=attention), phase)
    sum(model.loss(*batch()).values()).backward()
    groups = dict(
        localizer=[*model.backbone.parameters(), *model.head.parameters()],
        adversary=[*model.networks.adversary.parameters()])
    for name, parameters in groups.items():
        for parameter in parameters:
            if name == phase:
                assert parameter.grad is not None and parameter.grad.isfinite().all()
            else:
                assert parameter.grad is None
    # Attention mining reaches the localizer through the adversary.
    if phase == 'localizer':
        model.zero_grad()
        model.loss(*batch())['eader.loss_am'].backward()
        assert model.backbone.layers[0].weight.grad.abs().sum() > 0


def test_the_localizer_keeps_no_graph_in_the_adversary_phase():
    """Counts the bytes autograd saves for the backward pass of the student's backbone."""
    def saved(phase):
        model = set_phase(classifier(), phase)
        inside, total = [False], [0]
        model.backbone.register_forward_pre_hook(lambda *a: inside.__setitem__(0, True))
        model.backbone.register_forward_hook(lambda *a: inside.__setitem__(0, False))

        def pack(x):
            total[0] += inside[0] * x.numel()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            model.loss(*batch())
        return total[0]

    assert saved('adversary') == 0
    assert saved('localizer') > 0


def test_both_networks_see_every_step_in_training_mode():
    """Batch statistics of both are updated in both phases, as in the original."""
    for phase in ('localizer', 'adversary'):
        model = set_phase(classifier(), phase)
        model.loss(*batch())
        assert model.backbone.layers[1].num_batches_tracked == 1
        assert model.networks.adversary.backbone.layers[1].num_batches_tracked == 1


def test_copies_have_the_full_label_and_one_class_erased():
    model = set_phase(classifier(), 'localizer')
    inputs, samples = batch()
    views = model.views(inputs, samples)
    module = model.wsss_modules[0]
    module.add_views(views)
    erased = views.image('erased_per_class')
    assert views.labels('erased_per_class').equal(LABELS[[0, 0, 1, 2, 2, 2]])
    rows, classes = module.copies(views)
    assert classes.tolist() == [0, 3, 1, 0, 1, 2]
    attention = module.attention(views)
    assert attention.shape == (6, 16, 16)
    assert attention.amin((1, 2)).eq(0).all() and attention.amax((1, 2)).le(1).all()
    kept = attention < 0.4
    torch.testing.assert_close(
        (erased * kept[:, None]), inputs['image'][rows] * kept[:, None], atol=1e-3, rtol=0)
    gone = (attention > 0.6)[:, None]
    assert (erased * gone).abs().max() < 1e-3


@pytest.mark.parametrize('phase', ['localizer', 'adversary'])
def test_a_batch_without_labels_counts_nothing(phase):
    model = set_phase(classifier(norm=False), phase)
    losses = model.loss(*batch(torch.zeros(2, C)))
    assert sum(v.item() for k, v in losses.items() if k.startswith('eader')) == 0
    sum(losses.values()).backward()


def test_alpha_zero_leaves_the_adversary_out():
    model = set_phase(classifier(alpha=0), 'localizer')
    assert set(model.loss(*batch())) == {'loss_cls', 'eader.loss_reg'}
    assert model.networks.adversary.backbone.layers[1].num_batches_tracked == 0


def psa_module():
    cfg = Config.fromfile(CONFIGS / 'eader-psa_r38_voc.py')
    module, = cfg.model.to_dict()['modules']
    return cfg, module


def test_in_psa_the_attention_is_that_of_eq_2():
    """ReLU of the CAM, at most 1, in a loop; min-max of the signed CAM erases far more."""
    torch.manual_seed(0)
    model = set_phase(WSSSClassifier(
        **network(), networks=dict(adversary=dict(type='CAMNetwork', **network())),
        modules=[psa_module()[1]]), 'localizer')
    inputs, samples = batch()
    views = model.views(inputs, samples)
    module = model.ideas[0]
    module.add_views(views)
    found = module.attention(views)
    cam = views['image'].cam.detach()
    for m, (n, c) in enumerate(LABELS.nonzero().tolist()):
        one = nn.functional.interpolate(
            cam[n:n + 1, c:c + 1].clamp(min=0), (16, 16), mode='bilinear')[0, 0]
        if one.max() > 0:
            one = one / one.max()
        torch.testing.assert_close(found[m], one)
    assert (found == 0).any()


def test_in_psa_both_heads_are_new_layers():
    cfg = psa_module()[0]
    model = classifier()
    for name, head in (('localizer', model.head), ('adversary', model.networks.adversary.head)):
        wrapper = MultiOptimWrapperConstructor({
            key: dict(value, params=cfg.optim_wrapper[key].params)
            for key, value in cfg.optim_wrapper.to_dict().items() if key != 'constructor'})(model)
        rates = {id(p): group['lr'] for group in wrapper[name].param_groups
                 for p in group['params']}
        assert rates[id(head.classifier.weight)] == pytest.approx(0.1)
        assert rates[id(head.classifier.bias)] == pytest.approx(0.2)
        assert rates[id((model if name == 'localizer' else
                         model.networks.adversary).backbone.layers[0].weight)] == 0.01


def test_localizer_only_needs_neither_adversary_nor_phases():
    cfg = Config.fromfile(CONFIGS / 'eader_localizer-only_r101_voc.py')
    assert cfg.model.networks is None and cfg.train_cfg.phases is None
    assert cfg.optim_wrapper.to_dict() == dict(
        type='OptimWrapper', optimizer=dict(
            type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4))
    torch.manual_seed(0)
    model = WSSSClassifier(
        **network(norm=False), modules=cfg.model.to_dict()['modules']).train()
    inputs, samples = batch()
    losses = model.loss(inputs, samples)
    assert set(losses) == {'loss_cls', 'eader.loss_reg'}
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())
    # The same terms as with an adversary that is not asked.
    size, m = reference(classifier(norm=False), inputs['image'], LABELS)[1::2]
    assert losses['eader.loss_reg'].item() == pytest.approx(1e-5 * size / m, rel=1e-4)


def test_errors():
    with pytest.raises(ValueError, match="attention='gradcam' must be 'grad_cam' or 'cam'"):
        classifier(attention='gradcam')
    with pytest.raises(ValueError, match='needs the network "adversary"'):
        WSSSClassifier(**network(), modules=[dict(type='AdversarialErasing')])
    model = classifier().train()  # no phases: both have gradient
    with pytest.raises(ValueError, match='train_cfg.phases'):
        model.loss(*batch())
