"""The benchmark of two networks runs, and compares equal trainings."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_both_versions_are_the_same_training():
    output = subprocess.run(
        [sys.executable, 'tools/benchmarks/two_networks.py', '--device', 'cpu', '--size', '64',
         '--batch', '2', '--repeat', '1'],
        cwd=ROOT, env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        capture_output=True, text=True, check=True).stdout
    rows = re.findall(r'memory ([\d.]+) \(gradients differ by ([-+.e\d]+)\)', output)
    assert len(rows) == 3, output
    assert all(float(memory) <= 1 for memory, _ in rows), output
    assert all(float(error) < 1e-4 for _, error in rows), output
