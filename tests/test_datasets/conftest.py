import json

import cv2
import numpy as np
import pytest
from PIL import Image

LOAD = [dict(type='LoadImage'), dict(type='LoadMask')]
PACK = dict(type='PackWSSSInputs')


@pytest.fixture
def folder(tmp_path):
    """Six small images with masks; classes cat 1, dog 2, cow 3."""
    rng = np.random.default_rng(0)
    labels = dict(a=['cat'], b=['dog', 'cow'], c=['cow'], d=['cat', 'dog'], e=['dog'], f=['cow'])
    ids = dict(cat=1, dog=2, cow=3)
    for sub in ('img', 'seg', 'prior', 'sal'):
        (tmp_path / sub).mkdir()
    for name, classes in labels.items():
        height, width = rng.integers(20, 40, 2)
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        cv2.imwrite(str(tmp_path / 'img' / f'{name}.jpg'), image)
        mask = np.zeros((height, width), np.uint8)
        for place, c in enumerate(classes):
            mask[4 + 8 * place:10 + 8 * place, 5:15] = ids[c]
        mask[0] = 255
        Image.fromarray(mask).save(tmp_path / 'seg' / f'{name}.png')
        Image.fromarray(mask).save(tmp_path / 'prior' / f'{name}.png')
        Image.fromarray((mask > 0).astype(np.uint8) * 255).save(tmp_path / 'sal' / f'{name}.png')
    (tmp_path / 'labels.json').write_text(json.dumps(labels))
    (tmp_path / 'list.txt').write_text('\n'.join(labels) + '\n')
    return tmp_path


@pytest.fixture
def config(folder):
    """Config of the folder."""
    return dict(
        type='ImageLabelDataset',
        data_root=str(folder),
        ann_file='list.txt',
        label_file='labels.json',
        img_dir='img',
        seg_dir='seg',
        metainfo=dict(classes=('cat', 'dog', 'cow')),
        pipeline=[*LOAD, PACK])
