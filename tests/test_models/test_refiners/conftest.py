import json

import cv2
import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path):
    """Images, labels and CAMs."""
    rng = np.random.default_rng(0)
    keys = dict(a=[1], b=[0, 2], c=[2])
    for sub in ('img', 'cam'):
        (tmp_path / sub).mkdir()
    for name, classes in keys.items():
        image = rng.integers(0, 256, (90, 100, 3), np.uint8)
        cam = rng.random((len(classes), 45, 50)).astype(np.float16)
        cv2.imwrite(str(tmp_path / 'img' / f'{name}.png'), image)
        np.savez(tmp_path / 'cam' / f'{name}.npz', cam=cam, keys=np.array(classes),
                 size=np.array([90, 100]))
    (tmp_path / 'labels.json').write_text(json.dumps(keys))
    (tmp_path / 'list.txt').write_text('\n'.join(keys))
    return tmp_path
