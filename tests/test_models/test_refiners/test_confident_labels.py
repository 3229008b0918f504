import pytest
import torch
import torch.nn.functional as F

from mmwsss.models.refiners import PAR, combine_confident, confident_labels


def naive(cam, labels, high, low, refiner, img, relu=True):
    """One image at a time, its own classes only."""
    size = img.shape[-2:]
    half = (size[0] // 2, size[1] // 2)
    out = []
    for i in range(len(cam)):
        keys = labels[i].nonzero()[:, 0]
        r = cam[i:i + 1, keys]
        r = r.relu() if relu else r
        r = r / (r.amax((2, 3), keepdim=True) + 1e-5)
        r = F.interpolate(r, size, mode='bilinear', align_corners=False)
        small = F.interpolate(img[i:i + 1], half, mode='bilinear', align_corners=False)
        maps = []
        for t in (high, low):
            stack = torch.cat([torch.full_like(r[:, :1], t), r], 1)
            stack = F.interpolate(stack, half, mode='bilinear', align_corners=False).softmax(1)
            stack = F.interpolate(refiner(small, stack), size, mode='bilinear', align_corners=False)
            maps.append(torch.cat([keys.new_zeros(1), keys + 1])[stack.argmax(1)][0])
        label = maps[0].clone()
        label[maps[0] == 0] = 255
        label[(maps[0] == 0) & (maps[1] == 0)] = 0
        out.append(label)
    return torch.stack(out)


def test_same_as_one_image_at_a_time():
    torch.manual_seed(0)
    cam, img = torch.randn(3, 5, 6, 5), torch.rand(3, 3, 24, 20)
    labels = torch.tensor([[0, 1, 0, 0, 0], [1, 0, 1, 0, 1], [0, 0, 0, 1, 1]]).float()
    par = PAR((1, 2, 4), 5)
    out = confident_labels(cam, labels, refiner=par, img=img)
    expected = naive(cam, labels, 0.30, 0.15, par, img)
    assert out.dtype == torch.int64 and out.shape == (3, 24, 20)
    assert (out == expected).all()
    assert {0, 255} & set(out.unique().tolist())  # the case is not trivial


def test_thresholds_without_refiner():
    cam = torch.tensor([[[[10., 2.5, 2., 1., -4.]], [[9., 9., 9., 9., 9.]]]])
    labels = torch.tensor([[1., 0.]])
    out = confident_labels(cam, labels, high=0.3, low=0.15)
    assert out.tolist() == [[[1, 255, 255, 0, 0]]]


def test_map_without_positive_evidence():
    cam, labels = -torch.rand(1, 1, 3, 3) - 0.1, torch.ones(1, 1)
    assert (confident_labels(cam, labels) == 0).all()
    # As released: dividing by the negative maximum turns the sign around.
    assert (confident_labels(cam, labels, relu=False) == 1).all()


def test_image_without_class_is_background():
    out = confident_labels(torch.rand(2, 3, 4, 4), torch.tensor([[0., 0, 0], [0, 1, 0]]))
    assert (out[0] == 0).all() and (out[1] == 2).any()


def test_combine():
    high, low = torch.tensor([2, 0, 0]), torch.tensor([2, 1, 0])
    assert combine_confident(high, low).tolist() == [2, 255, 0]


def test_wrong_options():
    with pytest.raises(ValueError, match='low=0.5'):
        confident_labels(torch.rand(1, 1, 2, 2), torch.ones(1, 1), 0.3, 0.5)
    with pytest.raises(ValueError, match='img'):
        confident_labels(torch.rand(1, 1, 2, 2), torch.ones(1, 1), refiner=PAR())


def test_negative_evidence_counts_without_the_relu():
    """With a refiner, not only maps that are negative everywhere get other labels."""
    torch.manual_seed(0)
    cam, img = torch.randn(2, 3, 6, 6), torch.rand(2, 3, 24, 24)
    labels = torch.tensor([[1., 1, 0], [0, 0, 1]])
    par = PAR((1, 2, 4), 5)
    found = confident_labels(cam, labels, refiner=par, img=img, relu=False)
    assert (found == naive(cam, labels, 0.30, 0.15, par, img, relu=False)).all()
    assert (found != naive(cam, labels, 0.30, 0.15, par, img)).float().mean() > 0.05
