import subprocess
import sys

import torch


def test_torchvision_can_be_imported_after_mmwsss():
    code = 'import mmwsss, torchvision, torch; print(hasattr(torch.ops.torchvision, "nms"))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == 'True', done.stderr


def test_mending_twice_is_harmless():
    from mmwsss._compat import mend_torchvision
    assert mend_torchvision() == mend_torchvision()
    assert hasattr(torch.ops.torchvision, 'nms')
