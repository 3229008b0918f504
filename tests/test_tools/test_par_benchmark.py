"""PAR is at least twice as fast as by unfolding, with equal results."""

import importlib.util
from pathlib import Path

import pytest
import torch

from mmwsss.models import PAR

FILE = Path(__file__).parents[2] / 'tools' / 'benchmarks' / 'par.py'


@pytest.fixture
def bench():
    spec = importlib.util.spec_from_file_location('par_benchmark', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_equal_and_faster(bench):
    torch.manual_seed(0)
    img, scores = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    par = PAR()
    ours, theirs = [], []
    for _ in range(3):
        seconds, expected = bench.measure(bench.by_unfolding, par, img, scores)
        theirs.append(seconds)
        seconds, found = bench.measure(par, img, scores)
        ours.append(seconds)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert min(theirs) > 2 * min(ours)
