import json

import numpy as np
from PIL import Image

from mmwsss.structures.artifacts import read_mask, write_class_names, write_mask
from mmwsss.utils.palette import voc_palette


def test_class_names_inside_a_mask(tmp_path):
    mask = np.array([[0, 1], [2, 255]], np.uint8)
    names = ['background', 'Kuh', 'Schäfchen']
    write_mask(tmp_path / 'a.png', mask, [[0, 0, 0], [9, 8, 7]], names)
    assert (read_mask(tmp_path / 'a.png') == mask).all()
    with Image.open(tmp_path / 'a.png') as image:
        assert json.loads(image.text['classes']) == names
        assert image.getpalette()[3:9] == [9, 8, 7, *voc_palette(3)[2]]
    write_mask(tmp_path / 'b.png', mask)
    with Image.open(tmp_path / 'b.png') as image:
        assert 'classes' not in image.text


def test_class_names_beside_masks(tmp_path):
    write_class_names(tmp_path / 'masks', ['background', 'Schäfchen'], [[1, 2, 3]])
    records = json.loads((tmp_path / 'masks' / 'classes.json').read_text(encoding='utf-8'))
    assert [(r['id'], r['name']) for r in records] == [
        (0, 'background'), (1, 'Schäfchen'), (255, 'ignored')]
    assert records[0]['color'] == [1, 2, 3] and records[1]['color'] == voc_palette(2)[1]
    assert (tmp_path / 'masks' / 'classes.txt').read_text(
        encoding='utf-8') == 'background\nSchäfchen\n'
