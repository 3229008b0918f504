import base64
import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from mmwsss.visualization import html as report


def test_page_is_one_whole_file(addresses):
    image = np.zeros((8, 8, 3), np.uint8)
    text = report.page('<demo>', [('Table', report.table(['a', 'b'], [['1', '2']], ours=[0])),
                                  ('Images', report.figures([('x', image), ('y', None)])),
                                  ('Colours', report.legend(['bg'], [[0, 0, 0]])),
                                  ('Config', report.code('a < b'))], 'note')
    found = addresses(text)
    assert len(found) == 1 and found[0].startswith('data:image/jpeg;base64,')
    assert '&lt;demo&gt;' in text and 'a &lt; b' in text and 'http' not in text


def test_image_can_be_decoded():
    image = np.full((10, 12, 3), 200, np.uint8)
    data = base64.b64decode(report.jpeg(image).split(',')[1])
    assert np.abs(np.asarray(Image.open(io.BytesIO(data))).astype(int) - 200).max() < 4


def test_curve_marks_the_maximum():
    svg = report.curves({'a & b': ([0, 0.5, 1], [10, 30, None]), 'c': ([0, 1], [5, 20])}, 't', 'y')
    root = ElementTree.fromstring(svg)
    lines = [x for x in root if x.tag == 'polyline']
    assert len(lines) == 2
    points = [tuple(map(float, p.split(','))) for p in lines[0].get('points').split()]
    assert len(points) == 2  # None is left out
    dot = next(x for x in root if x.tag == 'circle')
    assert (float(dot.get('cx')), float(dot.get('cy'))) == min(points, key=lambda p: p[1])
    assert report.curves({'a': ([], [])}, 't', 'y') == ''


def test_bars_are_as_long_as_the_values():
    svg = report.bars(['x', 'y'], {'ours': [100., None], 'other': [50., 25.]}, width=236)
    root = ElementTree.fromstring(svg)
    widths = [float(x.get('width')) for x in root if x.tag == 'rect'][:4]
    assert widths == [100, 50, 0, 25]


def test_number():
    assert [report.number(x) for x in (None, float('nan'), 12.34)] == ['–', '–', '12.3']


def test_ticks_enclose_the_range_by_round_steps():
    assert report.ticks(0, 1, 4) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert report.ticks(0, 62, 4) == pytest.approx([0, 20, 40, 60, 80])
    assert report.ticks(-0.0004, 0, 4) == pytest.approx([-4e-4, -3e-4, -2e-4, -1e-4, 0])
    assert report.ticks(3, 3)[0] == pytest.approx(3)


def test_map_is_kept_without_loss_and_image_keeps_its_proportions():
    values = np.arange(200, dtype=np.uint8).reshape(10, 20)
    data = base64.b64decode(report.grey(values).split(',')[1])
    assert (np.asarray(Image.open(io.BytesIO(data))) == values).all()
    assert report.shrink(np.zeros((100, 50, 3), np.uint8), 20).shape == (20, 10, 3)
    assert report.shrink(values, 20) is values
