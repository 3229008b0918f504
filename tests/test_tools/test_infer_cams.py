"""The command line for images without a data set."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmwsss.inference import read_config
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import read_mask

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs/demo/cam_shapes.py')


@pytest.mark.slow
def test_images_that_fail_and_refiners_of_the_config(tmp_path):
    torch.save(MODELS.build(read_config(CONFIG).model).state_dict(), tmp_path / 'net.pth')
    (tmp_path / 'in').mkdir()
    for name in ('a', 'c'):
        image = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
        cv2.imwrite(str(tmp_path / 'in' / f'{name}.png'), image)
    (tmp_path / 'in' / 'b.png').write_bytes(b'\x89PNG nothing')
    (tmp_path / 'mine.py').write_text(
        f'_base_ = [{CONFIG!r}]\nrefiners = dict(none=dict(bg=1.))\n')

    def call(*more):
        return subprocess.run(
            [sys.executable, '-W', 'ignore', str(ROOT / 'tools/infer_cams.py'), 'mine.py',
             'net.pth', 'in', '--out', 'out', *more],
            cwd=tmp_path, capture_output=True, text=True)

    done = call('--refine', 'none')
    assert done.returncode == 1 and 'b.png' in done.stderr and 'Traceback' not in done.stderr
    for name in ('a', 'c'):  # the config's background leaves nothing
        assert (read_mask(tmp_path / 'out/masks' / f'{name}.png') == 0).all()
    done = call('--refine', 'irn')
    assert done.returncode == 2 and 'needs a trained network' in done.stderr
    done = call('--refine', 'irn', '--network', str(ROOT / 'configs/irn/irnet_r50_voc.py'),
                '--network-checkpoint', 'gone.pth')
    assert done.returncode == 2 and 'gone.pth' in done.stderr
