import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmwsss.inference import load_model

ROOT = Path(__file__).parents[2]


def call(folder, *args):
    script = str(ROOT / 'tools' / 'export_onnx.py')
    return subprocess.run([sys.executable, script, *args], cwd=folder, capture_output=True,
                          text=True, env={'PYTHONPATH': str(ROOT)})


@pytest.mark.slow
def test_command_line(tmp_path):
    for name in ('onnx', 'onnxruntime', 'onnxscript'):
        pytest.importorskip(name)
    cam, gpp = (str(ROOT / f'configs/demo/{name}_shapes.py') for name in ('cam', 'gpp'))
    for name, config in (('cam', cam), ('gpp', gpp)):
        model = load_model(config, device='cpu')
        torch.save(dict(state_dict=model.state_dict()), tmp_path / f'{name}.pth')
    done = call(tmp_path, cam, 'cam.pth', 'cam.onnx', '--size', '64', '80')
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('relative difference') == 3 and 'cam.onnx' in done.stdout
    # The gates of GPP are cut to the size that they are traced with.
    done = call(tmp_path, gpp, 'gpp.pth', 'gpp.onnx', '--size', '64', '80')
    assert done.returncode == 2 and '--static' in done.stderr
    done = call(tmp_path, gpp, 'gpp.pth', 'gpp.onnx', '--size', '64', '80', '--static')
    assert done.returncode == 0, done.stderr
