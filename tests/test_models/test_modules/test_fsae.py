"""FSAE: masks and loss against plain loops, the module on any head."""

import numpy as np
import pytest
import torch

from mmwsss.models import WSSSClassifier
from mmwsss.models.classifiers import Progress
from mmwsss.models.heads import CAMOutput
from mmwsss.models.modules.fsae import (
    boundary_mask,
    confident_mask,
    fsae_loss,
    label_quality,
    pixel_scores,
)
from mmwsss.structures import WSSSDataSample

FSAE = dict(type='FeatureSpatialActivationExpansion')


def softmax(scores):
    scores = np.exp(scores - scores.max(0))
    return scores / scores.sum(0)


def naive_loss(student, teacher, labels, tau_fae, tau_sae, kernel, dilate, absent='zero'):
    """Pixel by pixel, in float64."""
    total = 0.
    n, channels, height, width = student.shape
    for i in range(n):
        present = np.concatenate([[1.], labels[i]])[:, None, None]
        prob, other = softmax(teacher[i] * present), softmax(student[i] * present)
        if absent == 'drop':
            prob, other = (np.exp(x[i]) * present for x in (teacher, student))
            prob, other = prob / prob.sum(0), other / other.sum(0)
        confident = prob.max(0) >= tau_fae
        inner = confident if dilate == 'all' else prob[1:].max(0) >= tau_fae
        reach = kernel // 2
        for y in range(height):
            for x in range(width):
                near = inner[max(y - reach, 0):y + reach + 1, max(x - reach, 0):x + reach + 1].any()
                ring = near and not inner[y, x] and prob[:, y, x].max() >= tau_sae
                cross_entropy = -np.log(other[prob[:, y, x].argmax(), y, x])
                total += cross_entropy * (float(confident[y, x]) + float(ring))
    return total / (n * height * width)


@pytest.mark.parametrize('dilate', ['fg', 'all'])
@pytest.mark.parametrize('kernel, taus', [(1, (0.6, 0.4)), (3, (0.7, 0.45)), (5, (0.9, 0.3))])
def test_loss_equals_a_plain_loop(dilate, kernel, taus):
    rng = np.random.default_rng(kernel)
    student, teacher = rng.normal(0, 2, (2, 3, 5, 9, 7))
    labels = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 1, 1, 1.]])
    expected = naive_loss(student, teacher, labels, *taus, kernel, dilate)
    arrays = (torch.tensor(x) for x in (student, teacher, labels))
    result = fsae_loss(*arrays, *taus, kernel, dilate)
    assert expected > 0 and result.item() == pytest.approx(expected, rel=1e-5)


def test_options_of_eq_6_and_9_equal_a_plain_loop():
    rng = np.random.default_rng(3)
    student, teacher = rng.normal(0, 2, (2, 3, 5, 9, 7))
    labels = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 1, 1, 1.]])
    options = (0.7, 0.45, 3, 'fg')
    dropped = naive_loss(student, teacher, labels, *options, 'drop')
    arrays = [torch.tensor(x) for x in (student, teacher, labels)]
    arrays[0].requires_grad_()
    result = fsae_loss(*arrays, *options, absent='drop')
    assert result.item() == pytest.approx(dropped, rel=1e-5)
    result.backward()
    assert torch.isfinite(arrays[0].grad).all()
    assert dropped != pytest.approx(naive_loss(student, teacher, labels, *options))
    total = fsae_loss(*arrays, *options, absent='drop', reduction='sum')
    assert total.item() == pytest.approx(dropped * 9 * 7, rel=1e-5)


def test_quality_of_the_pseudo_labels():
    target = torch.tensor([[[1, 0], [2, 0]]])
    mask = torch.tensor([[[True, True], [True, False]]])
    truth = torch.tensor([[1, 0], [1, 255]]).repeat_interleave(2, 0).repeat_interleave(2, 1)[None]
    quality = label_quality(target, mask, truth)
    assert quality['pseudo_accuracy'].item() == pytest.approx(2 / 3)
    assert quality['pseudo_ratio'] == 1  # of the three pixels that are not ignored
    quality = label_quality(target, mask & False, truth)
    assert quality['pseudo_accuracy'] == 0 and quality['pseudo_ratio'] == 0


def test_masks_by_hand():
    mask = torch.zeros(1, 5, 5, dtype=torch.bool)
    mask[0, 2, 2] = True
    prob = torch.full((1, 2, 5, 5), 0.2)
    prob[0, 0] = 0.8
    prob[0, :, 1, 1] = 0.5  # not confident enough for the ring
    assert confident_mask(prob, 0.8).sum() == 24
    ring = boundary_mask(mask, prob, 0.75, 3)
    assert ring.sum() == 7 and not ring[0, 2, 2] and not ring[0, 1, 1]
    assert boundary_mask(mask, prob, 0.4, 3).sum() == 8
    assert boundary_mask(mask, prob, 0.4, 5).sum() == 24
    assert not boundary_mask(mask, prob, 0., 1).any()
    mask[:] = False
    mask[0, 0, 0] = True  # the border does not count
    assert boundary_mask(mask, prob, 0.4, 3).sum() == 3
    with pytest.raises(ValueError, match='kernel=2 must be odd'):
        boundary_mask(mask, prob, 0.4, 2)


def test_only_the_student_learns_and_nothing_where_nobody_is_sure():
    student = torch.randn(2, 4, 6, 6, requires_grad=True)
    teacher = torch.randn(2, 4, 6, 6, requires_grad=True)
    labels = torch.tensor([[1., 0, 1], [0, 1, 0]])
    fsae_loss(student, teacher * 4, labels).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert (student.grad[0, 2] == 0).all(), 'the logit of an absent class was multiplied by 0'
    assert fsae_loss(student, teacher * 0, labels) == 0


def test_bad_arguments():
    logits, labels = torch.zeros(1, 3, 2, 2), torch.ones(1, 2)
    with pytest.raises(ValueError, match="must be 'fg' or 'all'"):
        fsae_loss(logits, logits, labels, dilate='bg')
    with pytest.raises(ValueError, match="absent='x' must be 'zero' or 'drop'"):
        fsae_loss(logits, logits, labels, absent='x')
    with pytest.raises(ValueError, match="reduction='x' must be 'mean' or 'sum'"):
        fsae_loss(logits, logits, labels, reduction='x')
    with pytest.raises(ValueError, match='need 4 channels'):
        fsae_loss(logits, logits, torch.ones(1, 3))


def test_scores_of_a_head_without_background():
    cam = torch.tensor([[[[2., 1., -1.]], [[0., 4., 5.]]]])
    output = CAMOutput(cam, cam.mean((2, 3)))
    labels = torch.tensor([[1., 0.]])
    scores = pixel_scores(output, labels, 'one_minus_max', 0.1)
    torch.testing.assert_close(
        scores[0, :, 0], torch.tensor([[0., 5, 10], [10, 5, 0], [0, 0, 0]]), atol=1e-4, rtol=0)
    scores = pixel_scores(output, labels, 'constant', 0.5, 0.4)
    torch.testing.assert_close(
        scores[0, :, 0], torch.tensor([[0.8, 0.8, 0.8], [2, 1, 0], [0, 0, 0]]), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match='no background score'):
        pixel_scores(output, labels)


# -- module ----------------------------------------------------------------------------------------
def classifier(tiny_backbone, head=None, **options):
    torch.manual_seed(0)
    model = WSSSClassifier(
        tiny_backbone, head or dict(type='GAPHead', num_classes=3, in_channels=8, background=True),
        [dict(FSAE, **options)], teacher=options.get('teacher') == 'teacher')
    return model.train()


def batch(views=('image', 'strong')):
    generator = torch.Generator().manual_seed(1)
    inputs = {view: torch.randn(2, 3, 32, 32, generator=generator) for view in views}
    labels = torch.tensor([[1., 0, 0], [0, 1, 1]])
    return inputs, dict(image=[WSSSDataSample(gt_label=row) for row in labels])


@pytest.mark.parametrize('teacher, calls', [('student', 2), ('frozen', 3), ('teacher', 2)])
def test_each_view_goes_once_through_each_network(tiny_backbone, counted, teacher, calls):
    model = classifier(tiny_backbone, teacher=teacher, tau_fae=0.25, tau_sae=0.2)
    losses = model(*batch(), mode='loss')
    assert set(losses) == {'loss_cls', 'fsae.loss_fae', 'fsae.loss_sae'}
    assert losses['fsae.loss_fae'] > 0
    # Crops that the student's weights saw: weak and strong, and again the weak one if frozen.
    assert counted(model.backbone) == calls * 2
    if teacher == 'teacher':
        assert counted(model.teacher.backbone) == 2
    sum(losses.values()).backward()
    assert model.head.classifier.weight.grad.abs().sum() > 0


def test_quality_is_logged_where_there_is_ground_truth(tiny_backbone):
    model = classifier(tiny_backbone, tau_fae=0., boundary_weight=0)
    inputs, samples = batch()
    plain = model(inputs, samples, mode='loss')
    for sample in samples['image']:
        sample.gt_sem_seg = torch.zeros(32, 32, dtype=torch.long)
    losses = model(inputs, samples, mode='loss')
    assert set(losses) - set(plain) == {'fsae.pseudo_accuracy', 'fsae.pseudo_ratio'}
    assert losses['fsae.pseudo_ratio'] == 1 and 0 <= losses['fsae.pseudo_accuracy'] <= 1
    total, log = model.parse_losses(losses)
    torch.testing.assert_close(total, model.parse_losses(plain)[0])  # nothing learns from it
    assert log['fsae.pseudo_ratio'] == 1


def test_fae_only_and_delayed_begin(tiny_backbone):
    model = classifier(tiny_backbone, boundary_weight=0, begin=10)
    assert set(model(*batch(), mode='loss')) == {'loss_cls'}
    model.set_progress(Progress(epoch=10))
    assert set(model(*batch(), mode='loss')) == {'loss_cls', 'fsae.loss_fae'}


def test_what_is_missing_is_said_at_start_up(tiny_backbone, sample_of):
    gap = dict(type='GAPHead', num_classes=3, in_channels=8)
    with pytest.raises(ValueError, match="for background='head'.*GAPHead.*one_minus_max"):
        classifier(tiny_backbone, gap)
    classifier(tiny_backbone, gap, background='constant')(*batch(), mode='loss')
    with pytest.raises(KeyError, match='needs the view "strong".*StrongView'):
        classifier(tiny_backbone, begin=10).check_sample(sample_of(*batch(('image', ))))
    with pytest.raises(ValueError, match='teacher=True in the model'):
        WSSSClassifier(tiny_backbone, dict(gap, background=True), [dict(FSAE, teacher='teacher')])
    for wrong in (dict(tau_fae=1.5), dict(kernel=4), dict(dilate='x'), dict(background='x'),
                  dict(temperature=0)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            classifier(tiny_backbone, **wrong)
