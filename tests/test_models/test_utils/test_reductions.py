import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmwsss.models.utils.reductions import masked_mean


class Copies(TorchDispatchMode):
    """Counts the results of a size that are no views."""

    def __init__(self, numel):
        super().__init__()
        self.numel, self.bytes = numel, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result._base is None and all(
                result.data_ptr() != x.data_ptr() for x in args if isinstance(x, torch.Tensor)):
            self.bytes += result.numel() * result.element_size() * (result.numel() == self.numel)
        return result


@pytest.mark.parametrize('kind', ['bool', 'weights', 'broadcast'])
def test_masked_mean_is_the_plain_formula(kind):
    values = torch.randn(3, 4, 5, requires_grad=True)
    mask = torch.rand(3, 1, 5) if kind == 'broadcast' else torch.rand(3, 4, 5)
    mask = mask > 0.5 if kind == 'bool' else mask * (mask > 0.3)
    full = mask.expand(3, 4, 5).float()
    loss = masked_mean(values, mask)
    assert loss.item() == pytest.approx(
        sum(v * m for v, m in zip(values.flatten().tolist(), full.flatten().tolist()))
        / full.sum().item(), rel=1e-4, abs=1e-6)
    loss.backward()
    torch.testing.assert_close(values.grad, full / full.sum())


def test_what_is_left_out_may_be_infinite_and_everything_may_be():
    values = torch.tensor([1., torch.inf], requires_grad=True)
    assert masked_mean(values, torch.tensor([True, False])) == 1
    loss = masked_mean(values, torch.tensor([0., 0.]))
    loss.backward()
    assert loss == 0 and not values.grad.any()


def test_half_precision_counts_pixels():
    """bfloat16 rounds 100001 to 99840 or 100352, and 300003 to another place."""
    values, mask = torch.full((200002, ), 3., dtype=torch.bfloat16), torch.arange(200002) % 2 == 0
    for given in (mask, mask.bfloat16(), mask.float()):
        found = masked_mean(values, given)
        assert found.dtype == torch.float32 and found == 3
    assert masked_mean(values.double(), mask).dtype == torch.float64


def test_a_boolean_mask_costs_one_copy():
    values, mask = torch.randn(1000), torch.rand(1000) > 0.5
    with Copies(1000) as copies:
        masked_mean(values, mask)
    assert copies.bytes == 4000
