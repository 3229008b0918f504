import base64
import io
import xml.etree.ElementTree as ElementTree

import numpy as np
from PIL import Image

from mmwsss.visualization import html as report


def test_page_is_one_whole_file(addresses):
    image = np.zeros((8, 8, 3), np.uint8)
    text = report.page('<demo>', [('Table', report.table(['a', 'b'], [['1', '2']], ours=[0])),
                                  ('Pictures', report.figures([('x', image), ('y', None)])),
                                  ('Colours', report.legend(['bg'], [[0, 0, 0]])),
                                  ('Config', report.code('a < b'))], 'note')
    found = addresses(text)
    assert len(found) == 1 and found[0].startswith('data:image/jpeg;base64,')
    assert '&lt;demo&gt;' in text and 'a &lt; b' in text and 'http' not in text


def test_picture_can_be_decoded():
    image = np.full((10, 12, 3), 200, np.uint8)
    data = base64.b64decode(report.picture(image).split(',')[1])
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
