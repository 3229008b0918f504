import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import init_model
from PIL import Image

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs/deeplab/deeplabv2_small_shapes.py')


def call(folder, *args):
    return subprocess.run([sys.executable, str(ROOT / 'tools' / 'infer.py'), *args], cwd=folder,
                          capture_output=True, text=True, env={'PYTHONPATH': str(ROOT)})


def test_command_line(tmp_path):
    import mmwsss.models  # noqa: F401
    model = init_model(Config.fromfile(CONFIG), device='cpu')
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'a.pth')
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    (tmp_path / 'in').mkdir()
    Image.fromarray(pixels).save(tmp_path / 'in' / 'a.jpg')
    command = (CONFIG, 'a.pth', 'in', '--out', 'out', '--export', 'coco', 'labelme')
    done = call(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert '1 of 1 masks in out' in done.stdout
    assert len(json.loads((tmp_path / 'out' / 'coco.json').read_text())['images']) == 1
    assert (tmp_path / 'out' / 'labelme' / 'a.json').is_file()

    assert 'kept' not in done.stdout
    assert '1 of 1 masks in out, 1 of them kept (--overwrite' in call(tmp_path, *command).stdout

    (tmp_path / 'in' / 'b.jpg').write_bytes(b'\xff\xd8')
    done = call(tmp_path, *command)
    assert done.returncode == 1 and 'b.jpg' in done.stderr and 'Traceback' not in done.stderr
    done = call(tmp_path, CONFIG, 'a.pth', 'nowhere', '--out', 'out')
    assert done.returncode == 2 and 'error: no file or folder "nowhere"' in done.stderr


@pytest.mark.slow
def test_a_large_image_stays_below_two_gigabytes(tmp_path):
    """6000 x 4000 pixels, 21 classes: the logits of the whole alone are 2 GB."""
    code = f'''
import resource, numpy as np
import mmwsss
from mmengine.config import Config
from mmwsss.apis import SegmentationInferencer
from mmwsss.apis.segmentation import segment_folder
import cv2
from pathlib import Path
cv2.imwrite('a.jpg', np.random.default_rng(0).integers(0, 256, (4000, 6000, 3), np.uint8))
cfg = Config.fromfile({CONFIG!r})
cfg.model.decode_head.update(num_classes=21, in_channels=32)
cfg.model.backbone.update(stem_channels=8, base_channels=8)
infer = SegmentationInferencer(cfg, classes=list('abcdefghijklmnopqrst'))
failed = segment_folder(infer, dict(a=Path('a.jpg')), 'out')
assert not failed
print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20)
'''
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True,
                          text=True, env={'PYTHONPATH': str(ROOT)})
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert float(done.stdout.rsplit('peak', 1)[1]) < 2
    with Image.open(tmp_path / 'out' / 'masks' / 'a.png') as mask:
        assert mask.size == (6000, 4000)
