import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmwsss.models.utils import erasing
from mmwsss.models.utils.cam import packed_classes
from mmwsss.models.utils.erasing import foreground_response

LABELS = torch.tensor([[1., 0, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]])


def minmax(cam):
    cam = np.maximum(cam, 0)
    return np.maximum(cam - cam.min() - 1e-5, 0) / (cam.max() - cam.min() + 1e-5)


def test_packed_classes():
    classes, present = packed_classes(LABELS)
    assert classes.shape == present.shape == (3, 2)
    assert classes[0].tolist() == [0, 3] and classes[1, 0] == 2
    assert present.tolist() == [[True, True], [True, False], [False, False]]
    assert packed_classes(LABELS[2:])[0].shape == (1, 1)


@pytest.mark.parametrize('size', [None, (8, 10)])
def test_foreground_response_is_the_plain_formula(size):
    cam = torch.randn(3, 5, 4, 5, requires_grad=True)
    response = foreground_response(cam, LABELS, size)
    large = cam.relu()
    if size:
        large = F.interpolate(large, size, mode='bilinear')
    for n in range(2):
        maps = [minmax(large[n, c].detach().numpy()) for c in range(5) if LABELS[n, c]]
        np.testing.assert_allclose(response[n, 0].detach(), np.max(maps, 0), atol=1e-5)
    assert not response[2].any()
    response.sum().backward()
    assert torch.equal(cam.grad.abs().sum((2, 3)) > 0, LABELS > 0)


def test_only_present_classes_are_enlarged(monkeypatch):
    seen, plain = [], F.interpolate

    def interpolate(x, *args, **kwargs):
        seen.append(tuple(x.shape))
        return plain(x, *args, **kwargs)

    monkeypatch.setattr(erasing.F, 'interpolate', interpolate)
    # Of the CPU's labels, so a device is not waited for: "meta" has no values to wait for.
    assert foreground_response(torch.zeros(3, 5, 4, 5, device='meta'), LABELS, (8, 10)).is_meta
    assert seen == [(3, 2, 4, 5)]
