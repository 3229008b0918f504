"""A whole KTSE step: what is forwarded, what comes out, what learns."""

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

from mmwsss.models import WSSSClassifier
from mmwsss.models.classifiers import Progress
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

SIE = dict(type='SimulatedInterImageErasing', num_pairs=4, begin=10)
SSR = dict(type='SelfSupervisedRegularization', begin=10)
MGA = dict(type='MultiGranularityAlignment', begin=10)
ACOL = dict(type='ErasedClassification')
AEFT = dict(type='AdversarialErasingTriplet')


@MODELS.register_module(force=True)
class Stride8(BaseModule):
    """One convolution of stride 8 that counts the pixels it sees."""

    def __init__(self, channels=8):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 9, stride=8, padding=4)
        self.pixels = 0
        self.calls = 0

    def forward(self, x):
        self.pixels += x.shape[0] * x.shape[2] * x.shape[3]
        self.calls += 1
        return (self.conv(x).relu(),)


def classifier(*modules, background=True, **kwargs):
    torch.manual_seed(0)
    head = dict(type='GPPHead', num_classes=4, in_channels=8, embed_channels=6,
                background=background)
    model = WSSSClassifier(dict(type='Stride8'), head, modules, **kwargs)
    model.set_progress(Progress(epoch=10))
    return model


def batch(size, crop, views=('image', 'paired'), labels=None):
    generator = torch.Generator().manual_seed(1)
    inputs, samples = {}, {}
    for view in views:
        inputs[view] = torch.randn(size, 3, crop, crop, generator=generator)
        multi_hot = (torch.rand(size, 4, generator=generator) > 0.6).float()
        multi_hot[torch.arange(size), torch.randint(0, 4, (size,), generator=generator)] = 1
        samples[view] = [WSSSDataSample(gt_label=row) for row in multi_hot]
    return inputs, samples


def test_one_step_at_the_papers_setting_forwards_56_crops():
    model = classifier(SIE, SSR, MGA)
    losses = model(*batch(16, 320), mode='loss')
    assert model.backbone.pixels == 56 * 320**2
    assert model.backbone.calls == 3  # anchor and paired together, concatenated, erased
    assert set(losses) == {
        'loss_cls', 'sie.loss_kt', 'ssr.loss_intra', 'ssr.loss_inter', 'ssr.loss_intra_concat',
        'mga.loss_global', 'mga.loss_local'}
    total, log = model.parse_losses(losses)
    total.backward()
    assert log['loss'].item() == pytest.approx(sum(v.item() for v in losses.values()), rel=1e-5)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_before_it_begins_there_is_only_classification():
    model = classifier(SIE, SSR, MGA)
    model.set_progress(Progress(epoch=9))
    assert set(model(*batch(4, 32), mode='loss')) == {'loss_cls'}
    assert model.backbone.pixels == 4 * 32**2


def test_ramp_raises_the_weight_within_an_epoch():
    model = classifier(dict(MGA, ramp=2, weight=3.0))
    for progress, expected in (((10, 0, 0.0), 0), ((10, 0, 0.5), 0.75), ((11, 0, 0.0), 1.5),
                               ((20, 0, 0.5), 3)):
        assert model.wsss_modules[0].current_weight(Progress(*progress)) == pytest.approx(expected)
    by_iter = classifier(dict(MGA, ramp=4, begin=2, by_epoch=False)).wsss_modules[0]
    assert [by_iter.current_weight(Progress(iter=i)) for i in (1, 3, 6)] == [0, 0.25, 1]


@pytest.mark.parametrize('modules, names', [
    ([SIE], ['sie.loss_kt']),
    ([SSR], ['ssr.loss_intra', 'ssr.loss_inter']),
    ([MGA], ['mga.loss_global', 'mga.loss_local']),
    ([dict(MGA, local_weight=0)], ['mga.loss_global']),
    ([ACOL], ['acol.loss_cls']),
    ([AEFT], ['aeft.loss_attract', 'aeft.loss_repulse']),
    ([dict(AEFT, repulse_weight=0)], ['aeft.loss_attract']),
    ([dict(SIE, target='anchor', margin=0), dict(SSR, complex_fg=True, refiner=None)],
     ['sie.loss_kt', 'ssr.loss_intra', 'ssr.loss_inter', 'ssr.loss_intra_concat']),
])
@pytest.mark.parametrize('crop', [32, 36])  # 36: not a multiple of the stride
def test_any_subset_is_legal(modules, names, crop):
    model = classifier(*modules)
    losses = model(*batch(6, crop), mode='loss')
    assert set(losses) == {'loss_cls', *names}
    sum(losses.values()).backward()


def test_soft_erasing_gives_gradient_through_the_mask_and_hard_erasing_does_not():
    for module, passes in ((dict(AEFT, repulse_weight=0), True), (ACOL, False)):
        model = classifier(module)
        inputs, samples = batch(2, 32)
        views = model.views(inputs, samples)
        model.wsss_modules[0].add_views(views)
        name = 'erased_soft' if passes else 'erased'
        assert views.image(name).requires_grad == passes


def test_a_head_without_background_is_refused_by_ssr():
    with pytest.raises(ValueError, match='background=True'):
        classifier(SSR, background=False)(*batch(2, 32), mode='loss')


def test_missing_view_and_network_and_doubled_module(sample_of):
    with pytest.raises(KeyError, match='SimulatedInterImageErasing needs the view "paired"'):
        classifier(SIE).check_sample(sample_of(*batch(2, 32, views=('image',))))
    with pytest.raises(ValueError, match='two modules log as "mga"'):
        classifier(MGA, MGA)
    classifier(MGA, dict(MGA, name='mga2', threshold=0.6))


def test_checkpoint_of_another_class_count_is_refused():
    other = WSSSClassifier(
        dict(type='Stride8'), dict(type='GPPHead', num_classes=3, in_channels=8, embed_channels=6))
    with pytest.raises(ValueError, match='head.classifier.weight.*needs'):
        classifier().load_state_dict(other.state_dict())


def test_predict_fills_the_samples():
    model = classifier(test_cfg=dict(scales=(1.0, 2.0), flip=True, logits=True)).eval()
    inputs, samples = batch(2, 32)
    samples['image'][0].set_metainfo(dict(ori_shape=(20, 24)))
    with torch.no_grad():
        results = model(inputs, samples, mode='predict')
    assert results[0].pred_cam.shape == (4, 20, 24) and results[1].pred_cam.shape == (4, 32, 32)
    assert results[0].pred_logits.shape == (4,)
    for result in results:
        peak = result.pred_cam.amax((1, 2))
        assert (peak[result.gt_label == 0] == 0).all() and result.pred_cam.max() <= 1
