import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from mmwsss.inference import multi_scale_cam
from mmwsss.models.utils import multi_scale
from mmwsss.models.utils.multi_scale import limited_size, rescale


class Model(nn.Module):
    """A CAM that is not symmetric under flips and depends on the scale."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.calls = 0

    def predict_cam(self, images):
        self.calls += 1
        return self.conv(images)


@pytest.mark.parametrize('norm', ['max', 'minmax'])
@pytest.mark.parametrize('flip', [True, False])
def test_equals_the_sum_over_single_passes(flip, norm):
    model, scales = Model(), (0.5, 1.0, 1.5)
    images = torch.randn(2, 3, 12, 17)
    labels = torch.tensor([[1.0, 0, 1, 0], [0, 0, 1, 1]])
    cams = multi_scale_cam(model, images, labels, scales, flip, norm=norm)
    assert model.calls == len(scales)  # an image and its mirror image go together
    with torch.no_grad():
        for image, label, cam in zip(images, labels, cams):
            total = np.zeros((4, 12, 17))
            for scale in scales:
                size = [int(round(side * scale)) for side in image.shape[1:]]
                scaled = F.interpolate(
                    image[None], size, mode='bicubic', align_corners=False, antialias=True)
                for mirrored in (False, True) if flip else (False,):
                    one = model.conv(scaled.flip(-1) if mirrored else scaled)
                    one = F.interpolate(one, (12, 17), mode='bilinear', align_corners=False)[0]
                    total += (one.flip(-1) if mirrored else one).relu().numpy()
            for c in range(4):
                expected = total[c] * label[c].item()
                if norm == 'minmax':
                    expected = np.maximum(expected - expected.min() - 1e-5, 0)
                expected = expected / (expected.max() + 1e-5)
                np.testing.assert_allclose(cam[c].numpy(), expected, atol=1e-4)


def test_relu_after_the_flip_sum():
    class Signed(nn.Module):
        def predict_cam(self, images):
            return images[:, :1]

    images = torch.tensor([[1.0, -3, 2, 0]]).expand(1, 3, 1, 4)
    options = dict(scales=(1.0,), labels=torch.ones(1, 1))
    each = multi_scale_cam(Signed(), images, relu='each', **options)
    both = multi_scale_cam(Signed(), images, relu='flip', **options)
    assert each[0, 0, 0].tolist() == pytest.approx([0.5, 0, 1, 0], abs=1e-4)
    assert both.shape == each.shape
    with pytest.raises(ValueError, match='relu='):
        multi_scale_cam(Signed(), images, relu='never', **options)


def test_without_relu_a_bias_makes_no_difference():
    class Biased(nn.Module):
        bias = 0.

        def predict_cam(self, images):
            return images[:, :1] + self.bias

    images = torch.tensor([[1.0, -3, 2, 0]]).expand(1, 3, 1, 4)
    options = dict(scales=(1.0, ), labels=torch.ones(1, 1), flip=False, norm='minmax')
    model = Biased()
    maps = []
    for model.bias in (0., 5., -5.):
        maps.append(multi_scale_cam(model, images, relu='none', **options)[0, 0, 0].tolist())
        assert maps[-1] == pytest.approx([0.8, 0, 1, 0.6], abs=1e-4)
    absent = multi_scale_cam(model, images, relu='none', **{**options, 'labels': torch.zeros(1, 1)})
    assert not absent.any()
    with pytest.raises(ValueError, match="'none' goes with 'minmax'"):
        multi_scale_cam(model, images, relu='none', **{**options, 'norm': 'max'})


class Seen(nn.Module):
    """Keeps the images that it is given."""

    def predict_cam(self, images):
        self.images = images
        return images[:, :1]


@pytest.mark.parametrize('scale', [0.5, 1.5])
def test_the_pyramid_is_that_of_the_originals(scale):
    """They resize the uint8 image with Pillow's bicubic filter and normalise it then."""
    drawn = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    size = (int(60 * scale), int(40 * scale))
    original = np.asarray(Image.fromarray(drawn).resize(size, Image.Resampling.BICUBIC))
    images = (torch.from_numpy(drawn).permute(2, 0, 1)[None].float() - 120) / 58
    expected = (torch.from_numpy(original.copy()).permute(2, 0, 1).float() - 120) / 58
    model = Seen()

    def rms(**options):
        multi_scale_cam(model, images, torch.ones(1, 1), (scale, ), flip=False, **options)
        # Pillow cuts off what leaves 0..255.
        seen = model.images[0].clamp(-120 / 58, 135 / 58)
        return (seen - expected).square().mean().sqrt().item()

    assert rms() < 0.015
    if scale < 1:
        assert rms(antialias=False) > 0.1


@pytest.mark.parametrize('flip', [True, False])
def test_a_model_that_scores_the_background_itself(flip):
    """SIPE: flips are the model's affair; the sum over scales is divided by its maximum, background
    included, and only classes are filtered by the label."""
    class Prototypes(Model):
        own_background = True

        def predict_scores(self, images, flip):
            scores = self.conv(images).sigmoid()
            if flip:
                straight, mirrored = scores.chunk(2)
                scores = straight * mirrored.flip(-1)
            return scores

    model, images = Prototypes(), torch.randn(1, 3, 12, 17)
    labels = torch.tensor([[1.0, 0, 1]])
    options = dict(scales=(1.0, 0.5), flip=flip)
    cams, background = multi_scale_cam(model, images, labels, background=True, **options)
    total = np.zeros((4, 12, 17))
    with torch.no_grad():
        for size in ((12, 17), (6, 8)):
            scaled = images if size == (12, 17) else F.interpolate(
                images, size, mode='bicubic', align_corners=False, antialias=True)
            scores = model.conv(scaled).sigmoid()
            if flip:
                scores = scores * model.conv(scaled.flip(-1)).sigmoid().flip(-1)
            scores = F.interpolate(scores, (12, 17), mode='bilinear', align_corners=False)
            total += scores[0].numpy()
    total /= total.max((1, 2), keepdims=True) + 1e-5
    np.testing.assert_allclose(background[0, 0], total[0], atol=1e-5)
    np.testing.assert_allclose(cams[0, [0, 2]], total[[1, 3]], atol=1e-5)
    assert (cams[0, 1] == 0).all()
    assert torch.equal(multi_scale_cam(model, images, labels, **options), cams)
    plain = multi_scale_cam(Model(), images, torch.ones(1, 4), background=True, **options)
    assert plain[0].shape == (1, 4, 12, 17) and plain[1] is None


def test_large_images_one_at_a_time_give_the_same(monkeypatch):
    model, images = Model(), torch.randn(3, 3, 24, 30)
    labels = torch.tensor([[1.0, 0, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]])
    options = dict(scales=(0.5, 1.0, 2.0), flip=True)
    expected = multi_scale_cam(model, images, labels, **options)
    seen, forward = [], model.predict_cam
    model.predict_cam = lambda x: seen.append(x[:, 0].numel()) or forward(x)
    monkeypatch.setattr(multi_scale, 'MAX_PIXELS', 24 * 30 * 2)
    torch.testing.assert_close(
        multi_scale_cam(model, images, labels, **options), expected, atol=1e-5, rtol=0)
    # Half size: all three and their mirror images; full size: one with its own; double: each alone.
    assert seen == [6 * 180, *[2 * 720] * 3, *[2880] * 6]


def test_only_the_classes_of_the_batch_are_made_large(monkeypatch):
    channels, resize = [], F.interpolate

    def counted(x, *args, **kwargs):
        channels.append(x.shape[1])
        return resize(x, *args, **kwargs)

    monkeypatch.setattr(multi_scale.F, 'interpolate', counted)
    model, images = Model(), torch.randn(2, 3, 12, 17)
    labels = torch.tensor([[0., 1, 0, 0], [0, 1, 0, 1]])
    cams = multi_scale_cam(model, images, labels, (1.0, ))
    assert channels == [2] and cams.shape == (2, 4, 12, 17)
    assert (cams.amax((2, 3)) > 0.9).tolist() == labels.bool().tolist()
    channels.clear()
    nothing = multi_scale_cam(model, images, torch.zeros(2, 4), (1.0, ))
    assert nothing.shape == (2, 4, 12, 17) and not nothing.any() and not channels


def test_the_long_side_is_limited():
    assert limited_size((400, 600), 600) == (400, 600) == limited_size((400, 600), None)
    assert limited_size((400, 600), 300) == (200, 300)
    model, images, labels = Seen(), torch.rand(1, 3, 40, 60), torch.ones(1, 1)
    cams = multi_scale_cam(model, images, labels, (1.0, ), flip=False, max_side=30)
    expected = F.interpolate(images, (20, 30), mode='bicubic', antialias=True)
    assert cams.shape == (1, 1, 20, 30)
    torch.testing.assert_close(model.images.contiguous(), expected)
    assert rescale(images, (40, 60)) is images
    multi_scale_cam(model, images, labels, (1.0, ), flip=False)  # the default leaves it alone
    assert torch.equal(model.images, images)
