import re

from mmwsss.visualization.report_page import report_page, unique_names


def test_one_whole_file_of_three_runs(run, addresses):
    runs = [run('a & b'), run('base', (10., 90., 30.)), run('third', (None, None, None))]
    text = report_page(runs, '<title>')
    found = addresses(text)
    assert found and all(x.startswith('data:image/') for x in found)
    assert 'http' not in text and '&lt;title&gt;' in text and 'the &lt;command&gt;' in text
    # The image and its ground truth once, of each run one cell and one canvas.
    assert text.count('<figure>') == 3 * (2 + 3) and text.count('<canvas>') == 3 * 3
    assert text.count('<article') == 3
    # A line of each run in each of the two curves, in the run's colour.
    assert re.findall(r'<polyline class="(s\d)"', text) == ['s0', 's1', 's2'] * 2
    for row in ('<td>a &amp; b</td><td>val</td><td>50.0</td>',
                '<td>base</td><td>val</td><td>43.3</td>', '<td>third</td><td>val</td><td>–</td>',
                '<td>base</td><td>classify</td><td>12</td><td>512</td><td>–</td>'):
        assert row in text


def test_other_images_and_classes_of_another_run(run):
    other = run('other')
    other['classes'] = ['background', 'car', 'bus']
    other['images'] = [dict(image, name=f'street_{i}', classes=['car'])
                       for i, image in enumerate(other['images'])]
    text = report_page([run('first'), other], 'x')
    assert text.count('<article') == 6
    assert len(re.findall('>Mask IoU per class<', text)) == 2  # bars of other classes


def test_without_images(run):
    text = report_page([dict(run('a'), images=[], stages=[], charts=[])], 'x')
    assert '<article' not in text and '>Images of every stage<' not in text


def test_runs_of_one_name_are_told_apart_by_their_folders(run):
    names = [x['name'] for x in unique_names([run('a'), run('a'), run('b')], ['s0', 's1', 's1'])]
    assert names == ['a (s0)', 'a (s1)', 'b']
