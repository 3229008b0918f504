"""A whole KTSE step: what is forwarded, what comes out, what learns."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import nn

from mmwsss.models import PAR, WSSSClassifier
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


def classifier(*modules, background=True, backbone='Stride8', **kwargs):
    torch.manual_seed(0)
    head = dict(type='GPPHead', num_classes=4, in_channels=8, embed_channels=6,
                background=background)
    model = WSSSClassifier(dict(type=backbone), head, modules, **kwargs)
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


def test_one_step_at_the_papers_setting_forwards_44_crops():
    model = classifier(SIE, SSR, MGA)
    losses = model(*batch(16, 320), mode='loss')
    # 16 images, the 4 partners in use, 16 erased images, 4 of double height; the code forwards all
    # 16 partners.
    assert model.backbone.pixels == 44 * 320**2
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


def test_ssr_labels_of_a_teacher_do_not_follow_the_student():
    def pseudo(module):
        views = model.views(*batch(4, 64))
        module.add_views(views)
        return module.pseudo_labels(views)[0]

    model = classifier(
        *(dict(SSR, refiner=None, relu_cam=True, teacher=network, name=network)
          for network in ('student', 'frozen', 'teacher')), teacher=True)
    model.teacher.backbone.load_state_dict(model.backbone.state_dict())
    model.teacher.head.load_state_dict(model.head.state_dict())
    first = [pseudo(module) for module in model.wsss_modules]
    assert all(torch.equal(first[0], labels) for labels in first) and first[0].unique().numel() > 1
    with torch.no_grad():
        model.backbone.conv.weight.normal_()
    student, frozen, teacher = (pseudo(module) for module in model.wsss_modules)
    assert torch.equal(teacher, first[0])
    assert torch.equal(student, frozen) and not torch.equal(student, first[0])


def test_soft_erasing_gives_gradient_through_the_mask_and_hard_erasing_does_not():
    for module, passes in ((dict(AEFT, repulse_weight=0), True), (ACOL, False)):
        model = classifier(module)
        inputs, samples = batch(2, 32)
        views = model.views(inputs, samples)
        model.wsss_modules[0].add_views(views)
        name = 'erased_soft' if passes else 'erased'
        assert views.image(name).requires_grad == passes


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


def test_partners_out_of_use_change_no_loss():
    inputs, samples = batch(6, 32)
    losses = []
    for count in (6, 4):
        model = classifier(SIE, SSR, MGA)
        inputs['paired'] = inputs['paired'][:count]
        samples['paired'] = samples['paired'][:count]
        losses.append(model(inputs, samples, mode='loss'))
    for name, value in losses[0].items():
        torch.testing.assert_close(losses[1][name], value)


def test_a_module_that_asks_for_all_partners_gets_them():
    model = classifier(SIE, cls_views=('image', 'paired'))
    losses = model(*batch(6, 32), mode='loss')
    assert 'paired.loss_cls' in losses
    assert model.backbone.pixels == (6 + 6 + 2 * 4) * 32**2 and model.backbone.calls == 2


def code_labels(model, image, cam, labels, relu, truncate):
    """The rule of the released code, image by image: no ReLU before the division by the maximum,
    the image as whole levels of 0..255, softmax and PAR of the image's classes at half size."""
    par, pre, result = PAR(), model.data_preprocessor, []
    size = image.shape[-2:]
    half = [side // 2 for side in size]
    for rgb, maps, row in zip(image, cam, labels):
        keys = [c for c in range(len(row)) if row[c]]
        if truncate:
            rgb = rgb * pre.std + pre.mean
            rgb = rgb.clamp(0, 255).to(torch.uint8).float()
        rgb = F.interpolate(rgb[None], half, mode='bilinear')
        stack = []
        for c in keys:
            one = maps[c].clamp(min=0) if relu else maps[c]
            stack.append(one / (one.max() + 1e-5))
        stack = F.interpolate(torch.stack(stack)[None], size, mode='bilinear')
        found = []
        for score in (0.30, 0.15):
            scores = torch.cat([torch.full_like(stack[:, :1], score), stack], 1)
            scores = F.interpolate(scores, half, mode='bilinear').softmax(1)
            scores = F.interpolate(par(rgb, scores), size, mode='bilinear')
            found.append(torch.tensor([0] + [c + 1 for c in keys])[scores.argmax(1)[0]])
        high, low = found
        label = torch.where(high == 0, 255, high)
        result.append(torch.where((high == 0) & (low == 0), 0, label))
    return torch.stack(result)


@pytest.mark.parametrize('options, relu, truncate', [
    ({}, False, True), (dict(relu_cam=True, truncate=False), True, False)])
def test_pseudo_labels_are_those_of_the_code_or_of_the_paper(options, relu, truncate):
    model = classifier(dict(SSR, **options))
    inputs, samples = batch(6, 48, views=('image', ))
    views = model.views(inputs, samples)
    model.ideas[0].add_views(views)
    found, _ = model.ideas[0].pseudo_labels(views)
    arguments = model, inputs['image'], views['image'].cam.detach(), views.labels()
    expected = code_labels(*arguments, relu, truncate)
    assert (found == expected).float().mean() > 0.999
    other = code_labels(*arguments, not relu, truncate)
    assert (found == other).float().mean() < 0.95  # the two do differ


def test_the_papers_equations_have_no_relu_on_the_scores():
    """Eq. 5 to 7 in a loop over pixels."""
    model = classifier(dict(
        SSR, relu_cam=True, truncate=False, relu_logits=False, complex_fg=True,
        inter_detach=False, refiner=None))
    inputs, samples = batch(5, 24, views=('image', ))
    losses = model(inputs, samples, mode='loss')
    views = model.views(inputs, samples)
    ssr = model.ideas[0]
    ssr.add_views(views)
    pseudo, _ = ssr.pseudo_labels(views)
    scores = F.interpolate(views['image'].scores, (24, 24), mode='bilinear').detach()
    cam = F.interpolate(views['image'].cam.clamp(min=0), (24, 24), mode='bilinear').detach()
    labels = views.labels()
    gap, pixels, entropy = 0., 0, {True: [], False: []}
    for n in range(5):
        maps = []
        for c in labels[n].nonzero()[:, 0]:
            low, high = cam[n, c].min(), cam[n, c].max()
            maps.append((cam[n, c] - low - 1e-5).clamp(min=0) / (high - low + 1e-5))
        response = torch.stack(maps).amax(0)
        for y in range(24):
            for x in range(24):
                label = pseudo[n, y, x].item()
                if label != 255:
                    value = -scores[n, :, y, x].log_softmax(0)[label].item()
                    entropy[label > 0].append(value)
                if labels[n].sum() > 1 and response[y, x] > 0.2:
                    second, first = sorted(scores[n, 1:, y, x].tolist())[-2:]
                    gap, pixels = gap + second - first, pixels + 1
    assert (scores[:, 1:] < 0).any()
    assert losses['ssr.loss_inter'].item() == pytest.approx(0.005 * gap / pixels, rel=1e-3)
    intra = sum(
        weight * sum(entropy[part]) / max(len(entropy[part]), 1)
        for part, weight in ((False, 1), (True, 0.0125)))
    assert losses['ssr.loss_intra'].item() == pytest.approx(intra, rel=1e-4)


def test_classification_of_the_first_images_only():
    inputs, samples = batch(6, 32, views=('image', ))
    losses = classifier(cls_images=4)(inputs, samples, mode='loss')
    expected = classifier()(
        dict(image=inputs['image'][:4]), dict(image=samples['image'][:4]), mode='loss')
    torch.testing.assert_close(losses['loss_cls'], expected['loss_cls'])
    # The other images are not forwarded in vain, but a module may want them.
    model = classifier(MGA, cls_images=4)
    losses = model(inputs, samples, mode='loss')
    torch.testing.assert_close(losses['loss_cls'], expected['loss_cls'])
    assert model.backbone.pixels == 12 * 32**2
    with pytest.raises(ValueError, match='cls_images=0'):
        classifier(cls_images=0)


def normed(cam, labels):
    """N() of the maps of the image's classes; 0 for the others."""
    cam = np.maximum(np.asarray(cam, np.float64), 0)
    result = np.zeros_like(cam)
    for n, c in zip(*np.nonzero(labels)):
        low, high = cam[n, c].min(), cam[n, c].max()
        result[n, c] = np.maximum(cam[n, c] - low - 1e-5, 0) / (high - low + 1e-5)
    return result


def code_response(cam, labels, size):
    up = F.interpolate(cam.clamp(min=0), size, mode='bilinear')
    return torch.tensor(normed(up, labels).max(1, keepdims=True)).float()


def labels_of(samples):
    return np.array([sample.gt_label.tolist() for sample in samples])


@pytest.mark.parametrize('options', [{}, dict(margin=0.02, weight=3.), dict(margin=0., num_pairs=1),
                                     dict(target='anchor', margin=0.01)])
@pytest.mark.parametrize('crop', [48, 36])  # 36: not a multiple of the stride
def test_sie_equals_the_code(options, crop):
    """Both halves under the classes of either image; of the paper, the anchor's half."""
    model = classifier(  # its pixels see beyond the edge between the two images
        dict(SIE, **{'num_pairs': 2, **options}), backbone='TinyStages')
    inputs, samples = batch(3, crop)
    inputs = {view: 4 * images for view, images in inputs.items()}
    found = model(inputs, samples, mode='loss')['sie.loss_kt'].item()
    n, anchor = options.get('num_pairs', 2), options.get('target') == 'anchor'
    first, second = inputs['image'][:n], inputs['paired'][:n]
    with torch.no_grad():
        cams = [model.extract(x).cam for x in (first, second, torch.cat([first, second], 2))]
    rows = cams[0].shape[2]
    mixed = F.interpolate(cams[2], (2 * rows, cams[0].shape[3]), mode='bilinear')
    labels, other = labels_of(samples['image'])[:n], labels_of(samples['paired'])[:n]
    assert (labels != other).any()
    gaps = []
    for k, cam in enumerate(cams[:1] if anchor else cams[:2]):
        gap = cam - mixed[:, :, k * rows:(k + 1) * rows] - options.get('margin', 0.05)
        present = labels if anchor else np.maximum(labels, other)
        gaps.append(gap.clamp(min=0).numpy() * present[:, :, None, None])
    expected = options.get('weight', 1) * np.mean(gaps)
    assert expected > 0 and found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('options', [
    {}, dict(threshold=0.4, global_weight=0.3, local_weight=0.7, margin=0.1),
    dict(restrict=False, margin=0., weight=3.)])
def test_mga_equals_the_code(options):
    model = classifier(dict(MGA, **options))
    inputs, samples = batch(3, 48, views=('image', ))
    losses = model(inputs, samples, mode='loss')
    labels, threshold = labels_of(samples['image']), options.get('threshold', 0.6)
    with torch.no_grad():
        cam = model.extract(inputs['image']).cam
        response = code_response(cam, labels, (48, 48))
        erased = model.extract(inputs['image'] * (response < threshold)).cam.numpy()
    cam, apart, local = cam.numpy(), [], []
    kept = normed(cam, labels).max(1) < threshold
    for n, c in np.ndindex(*labels.shape):
        means = [np.maximum(x[n, c], 0).mean() for x in (erased, cam)]
        apart.append(abs(means[0] - means[1]) * labels[n, c])
        gap = (erased - cam)[n, c] * (kept[n] if options.get('restrict', True) else 1)
        local.append(np.maximum(gap - options.get('margin', 0.05), 0) * labels[n, c])
    for name, value in (('global', np.mean(apart)), ('local', np.mean(local))):
        expected = options.get('weight', 1) * options.get(f'{name}_weight', 1) * value
        assert expected > 0
        assert losses[f'mga.loss_{name}'].item() == pytest.approx(expected, rel=1e-3), name


def code_distances(output, labels, threshold):
    """Squared distances of AEFT's pairs, each image with its only partner."""
    pooled, response = output.extra['pooled_map'].numpy(), normed(output.cam, labels)
    anchor, whole = np.zeros((2, *labels.shape))
    for n, c in zip(*np.nonzero(labels)):
        feature = pooled[n, c] / abs(pooled[n, c]).max()
        anchor[n, c] = feature[response[n, c] < threshold].mean()
        whole[n, c] = feature[response[n, c] < 1].mean()
    return ((anchor - whole[::-1])**2).sum(1)


@pytest.mark.parametrize('options', [
    {}, dict(threshold=0.4, region_threshold=0.4, attract_weight=0.7, repulse_weight=0.3)])
def test_aeft_equals_the_code(options):
    """Six images, each disjoint from one other only: with their defaults all pairs are near, else
    all but the farthest."""
    labels = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1],
                       [0, 1, 1, 0], [0, 1, 0, 1], [0, 0, 1, 1.]])
    inputs, _ = batch(6, 48, views=('image', ))
    samples = dict(image=[WSSSDataSample(gt_label=torch.tensor(row).float()) for row in labels])
    with torch.no_grad():
        output = classifier().extract(inputs['image'])
    distances = np.sort(code_distances(output, labels, options.get('region_threshold', 0.2)))
    margin = 0.5
    if options:
        margin = distances[-2:].mean()
        options = dict(options, margin=float(margin))
    near = distances[distances < margin]
    assert len(near) == (5 if options else 6)

    model = classifier(dict(AEFT, **options))
    losses = model(inputs, samples, mode='loss')
    response = code_response(output.cam, labels, (48, 48))
    with torch.no_grad():
        erased = model.extract(
            inputs['image'] * response * (response < options.get('threshold', 0.6)))
    means = [np.maximum(x.extra['pooled_map'].numpy(), 0).mean((2, 3)) for x in (erased, output)]
    attract = options.get('attract_weight', 0.2) * np.mean(abs(means[0] - means[1]) * labels)
    repulse = options.get('repulse_weight', 0.15) * np.mean(margin - near)
    assert losses['aeft.loss_attract'].item() == pytest.approx(attract, rel=1e-3)
    assert losses['aeft.loss_repulse'].item() == pytest.approx(repulse, rel=1e-3)
