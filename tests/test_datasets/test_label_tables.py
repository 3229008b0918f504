import io
import json
import os
import pickle
import struct
import time

import numpy as np
import pytest

from mmwsss.datasets import ImageLabelDataset, read_label_table


def _write_npy(path, payload: bytes):
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    header += b' ' * (64 - (10 + len(header) + 1) % 64) + b'\n'
    path.write_bytes(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + payload)
    return path


def test_text_tables_agree(tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps({'x': ['cat', 'dog'], 'y': ['cow']}))
    (tmp_path / 'a.txt').write_text('x cat dog\n\ny  cow\n')
    (tmp_path / 'a.csv').write_text('x,cat,dog\ny, cow\n')
    expected = {'x': ['cat', 'dog'], 'y': ['cow']}
    for ending in ('json', 'txt', 'csv'):
        assert read_label_table(tmp_path / f'a.{ending}') == expected
    (tmp_path / 'b.csv').write_text('an image.jpg,traffic light\n')
    assert read_label_table(tmp_path / 'b.csv') == {'an image.jpg': ['traffic light']}


@pytest.mark.parametrize('content, error', [
    ('{"x": ["cat"], "x": ["dog"]}', 'twice'),
    ('{"x": ["cat"', 'not valid JSON'),
    ('[1]', 'must be'),
    ('{"x": {"cat": 1}}', '"x"'),
])
def test_bad_json(tmp_path, content, error):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(ValueError, match=error) as info:
        read_label_table(tmp_path / 'a.json')
    assert 'a.json' in str(info.value)


def test_missing_or_unknown_table(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.json'):
        read_label_table(tmp_path / 'none.json')
    with pytest.raises(ValueError, match='a.pkl'):
        read_label_table(tmp_path / 'a.pkl')
    (tmp_path / 'a.txt').write_text('x cat\nx dog\n')
    with pytest.raises(ValueError, match='"x" twice'):
        read_label_table(tmp_path / 'a.txt')


@pytest.mark.parametrize('text', [
    'image,cat,dog,cow\np0,1,0,0\np1,1,1,0\np2,0,0,0\n',
    'image,cat,dog,cow\np0,True,False,False\np1,True,True,False\np2,False,False,False\n',
    ',image,cat,dog\n0,p0,1,0\n1,p1,TRUE,true\n2,p2,0,FALSE\n',
    ',cat,dog\np0,1.0,0.0\np1,1,1\np2,,\n',
    'cat_or_dog;cat;dog;cow\np0;1;0;0\np1;1;1;0\np2;0;0;0\n',
    ',cat,dog,cow\np0,1.0,0.0,0.0\np1,1.0,1.0,\np2,,,\n',
    'image,class\np0,cat\np1,cat\np1,dog\np2,\n',
    'File Name\tLabels\np0\tcat\np1\tcat; dog\np2\n',
    'p0,cat\np1,cat\np1,dog\np2\n',
    'image,class 1,class 2\np0,cat\np1,cat,dog\np2\n',
    'image,labels\np0,cat\np1,cat,dog\np2,\n',
    'image;class\np0;cat;\np1;cat;dog\np2;;\n',
    'p0,cat\np1,cat,dog\np2\n'])
def test_forms_of_csv(tmp_path, text):
    (tmp_path / 'a.csv').write_text(text)
    assert read_label_table(tmp_path / 'a.csv') == {'p0': ['cat'], 'p1': ['cat', 'dog'], 'p2': []}


def test_names_that_are_numbers(tmp_path):
    (tmp_path / 'a.csv').write_text('image,10,9\np0,1,0\np1,1,1\n')
    assert read_label_table(tmp_path / 'a.csv') == {'p0': ['10'], 'p1': ['10', '9']}
    (tmp_path / 'b.csv').write_text('p0,10\np1,9\np2,2\n')
    dataset = ImageLabelDataset(str(tmp_path), label_file='b.csv', check_files=False)
    assert dataset.metainfo['classes'] == ('2', '9', '10')


@pytest.mark.parametrize('text', ['a.png,cat\nb.png,dog\n', 'a.png, cat\nb.png, dog\n'])
def test_commas_in_a_txt(tmp_path, text):
    (tmp_path / 'a.txt').write_text(text)
    with pytest.raises(ValueError, match='blanks separate in a .txt.*call it .csv'):
        read_label_table(tmp_path / 'a.txt')
    (tmp_path / 'a.txt').write_text('a,1.png cat\nb.png dog\n')  # a name may have one
    assert read_label_table(tmp_path / 'a.txt') == {'a,1.png': ['cat'], 'b.png': ['dog']}


def test_a_line_without_an_image(tmp_path):
    (tmp_path / 'a.csv').write_text('p0,cat\n,dog\n')
    with pytest.raises(ValueError, match='"" is no image id'):
        ImageLabelDataset(str(tmp_path), label_file='a.csv')


def test_indices_in_csv_stay_indices(tmp_path):
    (tmp_path / 'a.csv').write_text('p0,1\np1,0\np2,0,1\np3,2\n')
    assert read_label_table(tmp_path / 'a.csv') == {
        'p0': ['1'], 'p1': ['0'], 'p2': ['0', '1'], 'p3': ['2']}
    (tmp_path / 'a.csv').write_text('image,label\np0,1\np1,0\n')
    assert read_label_table(tmp_path / 'a.csv') == {'p0': ['1'], 'p1': ['0']}


@pytest.mark.parametrize('name, text', [
    ('a.csv', 'p0,1,0,0\np1,0,1,0\n'), ('a.csv', 'p0,1,0\np1,0,1\n'),
    ('a.txt', 'p0 1 0 0\np1 1 1 0\n'), ('a.json', '{"p0": [1, 0, 0], "p1": [0, 0, 1]}'),
    ('a.json', '{"p0": [1, 0], "p1": [0, 1]}')])
def test_zeros_and_ones_without_names_are_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f'{name}.*"p0".*0 or 1 for each class.*image,cat,dog'):
        read_label_table(tmp_path / name)


@pytest.mark.parametrize('text', ['{"p0": [0, 1], "p1": [1]}', '{"p0": [0, 0, 2], "p1": [1, 1]}'])
def test_lists_of_indices_are_no_zeros_and_ones(tmp_path, text):
    (tmp_path / 'a.json').write_text(text)
    assert read_label_table(tmp_path / 'a.json') == json.loads(text)


@pytest.mark.parametrize('text, match', [
    ('image,cat,dog\np0,1,2\n', '"2" of "p0" in the column "dog" must be 0 or 1'),
    ('image,cat,dog\np0,x,\np1,,x\n', '"x" of "p0" in the column "cat" must be 0 or 1'),
    ('image,cat,dog\np0,1,0\np1,?,1\n', r'"\?" of "p1" in the column "cat" must be 0 or 1'),
    ('photo,cat,dog\np0,1,0\np1,?,1\n', r'"\?" of "p1" in the column "cat" must be 0 or 1'),
    ('image,cat,dog,split\np0,1,0,train\n', '"train" of "p0" in the column "split".*no class'),
    ('image,class,split\np0,cat,train\n', '"cat" of "p0" in the column "class".*no class'),
    ('image,animal\np0,cat\n', 'column "animal".*must be called "class"'),
    ('image,cat,dog\n', 'a.csv" names no image'),
    ('', 'a.csv" names no image'),
    ('image,cat,dog\np0,1\n', 'row of "p0" has 2 cells, its header 3'),
    ('image,cat,cat\np0,1,0\n', 'must name each class once'),
    ('image,cat,dog\np0,1,0\np0,0,1\n', '"p0" twice'),
    ('image,labels\np0,"cat,dog"\np1,dog\n', 'cell "cat,dog" of "p0" looks like several classes'),
    ('image,labels\np0,"[\'cat\', \'dog\']"\n', 'of "p0" looks like several classes'),
    ('image,labels\np0,cat\np1,[]\n', r'cell "\[\]" of "p1" looks like'),
    ('p0,"' + 'x' * 140000, 'a.csv.*is not valid CSV: field larger')])
def test_bad_csv(tmp_path, text, match):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(ValueError, match=match):
        read_label_table(tmp_path / 'a.csv')


@pytest.mark.parametrize('text', ['{"a":' * 100000, '[' * 100000, '{"a": ' + '9' * 5000 + '}'])
def test_hostile_json(tmp_path, text):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(ValueError, match='a.json'):
        read_label_table(tmp_path / 'a.json')


def test_coco_instances(tmp_path):
    data = dict(
        images=[dict(id=i, file_name=f'set/{i}.jpg') for i in (1, 2, 3)],
        categories=[dict(id=7, name='dog'), dict(id=3, name='cat')],
        annotations=[dict(image_id=1, category_id=7), dict(image_id=1, category_id=3),
                     dict(image_id=2, category_id=7), dict(image_id=2, category_id=7)])
    (tmp_path / 'a.json').write_text(json.dumps(data))
    assert read_label_table(tmp_path / 'a.json') == {
        'set/1.jpg': ['cat', 'dog'], 'set/2.jpg': ['dog'], 'set/3.jpg': []}
    data['annotations'][0]['category_id'] = 8
    (tmp_path / 'a.json').write_text(json.dumps(data))
    with pytest.raises(ValueError, match='a.json.*no instances JSON of COCO.*8'):
        read_label_table(tmp_path / 'a.json')


def test_order_of_the_classes(tmp_path):
    """The file's, where it has one, those that no image has included; else by name."""
    instances = dict(
        images=[dict(id=1, file_name='p0.jpg')],
        categories=[dict(id=7, name='cow'), dict(id=5, name='ant'), dict(id=3, name='dog')],
        annotations=[dict(image_id=1, category_id=7), dict(image_id=1, category_id=3)])
    (tmp_path / 'yolo').mkdir()
    (tmp_path / 'yolo/classes.txt').write_text('dog\nant\ncow\n')
    (tmp_path / 'yolo/p0.txt').write_text('0 .5 .5 .1 .1\n2 .5 .5 .1 .1\n')
    (tmp_path / 'coco.json').write_text(json.dumps(instances))
    (tmp_path / 'wide.csv').write_text('image,dog,ant,cow\np0.jpg,1,0,1\n')
    (tmp_path / 'rows.csv').write_text('p0.jpg,dog,cow\n')
    own = ('dog', 'ant', 'cow')
    for file, classes in (('yolo', own), ('coco.json', own), ('wide.csv', own),
                          ('rows.csv', ('cow', 'dog'))):
        dataset = ImageLabelDataset(str(tmp_path), label_file=file, check_files=False)
        assert dataset.metainfo['classes'] == classes, file
        assert dataset.label_matrix().tolist() == [[1, 0, 1] if classes == own else [1, 1]]


def test_two_categories_of_one_name_are_one_class(tmp_path):
    instances = dict(
        images=[dict(id=i, file_name=f'{i}.jpg') for i in (1, 2)],
        categories=[dict(id=1, name='dog'), dict(id=2, name='cat'), dict(id=3, name='dog')],
        annotations=[dict(image_id=1, category_id=1), dict(image_id=2, category_id=3)])
    (tmp_path / 'a.json').write_text(json.dumps(instances))
    dataset = ImageLabelDataset(str(tmp_path), label_file='a.json', check_files=False)
    assert dataset.metainfo['classes'] == ('dog', 'cat')
    assert dataset.label_matrix().tolist() == [[1, 0], [1, 0]]


def test_voc_xml(tmp_path):
    for name, objects in dict(a=('dog', 'cat', 'dog'), b=()).items():
        body = ''.join(f'<object><name>{x}</name><part><name>head</name></part></object>'
                       for x in objects)
        (tmp_path / f'{name}.xml').write_text(f'<annotation>{body}</annotation>')
    assert read_label_table(tmp_path) == {'a': ['cat', 'dog'], 'b': []}
    (tmp_path / 'b.xml').write_text('<annotation>')
    with pytest.raises(ValueError, match='b.xml'):
        read_label_table(tmp_path)


@pytest.mark.parametrize('names', [None, 'classes.txt', '../data.yaml'])
def test_yolo(tmp_path, names):
    folder = tmp_path / 'labels'
    (folder / 'sub').mkdir(parents=True)
    (folder / 'a.txt').write_text('1 .5 .5 .1 .1\n0 .1 .1 .2 .2 .3 .3\n1 .5 .5 .1 .1\n')
    (folder / 'sub/b.txt').write_text('')
    if names:
        (folder / names).write_text('names: {0: cat, 1: dog}' if 'yaml' in names else 'cat\ndog\n')
    assert read_label_table(folder) == {'a': ['cat', 'dog'] if names else [0, 1], 'sub/b': []}
    for line in ('2 .5 .5 .1 .1', 'x .5 .5 .1 .1', '0 .5'):
        if names or line[0] != '2':
            (folder / 'a.txt').write_text(line)
            with pytest.raises(ValueError, match='a.txt", line 1'):
                read_label_table(folder)


def test_a_folder_for_each_class(tmp_path):
    for name in ('cat/1.jpg', 'cat/2.PNG', 'dog/1.jpg', 'dog/more/3.jpg', 'dog/notes.md'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert read_label_table(tmp_path) == {
        'cat/1.jpg': ['cat'], 'cat/2.PNG': ['cat'], 'dog/1.jpg': ['dog'], 'dog/more/3.jpg': ['dog']}
    (tmp_path / 'odd.jpg').touch()
    with pytest.raises(ValueError, match='odd.jpg'):
        read_label_table(tmp_path)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='neither VOC'):
        read_label_table(tmp_path / 'empty')


def test_a_folder_for_each_class_is_a_data_set(tmp_path):
    for name in ('cat/1.jpg', 'dog/1.jpg'):
        (tmp_path / 'images' / name).parent.mkdir(parents=True)
        (tmp_path / 'images' / name).touch()
    dataset = ImageLabelDataset(str(tmp_path), label_file='images', img_dir='images')
    assert dataset.metainfo['classes'] == ('cat', 'dog')
    assert [dataset.get_data_info(i)['name'] for i in range(2)] == ['cat/1', 'dog/1']
    assert dataset.label_matrix().tolist() == [[1, 0], [0, 1]]


LABELS = {
    2007000032: np.array([1, 0, 0, 1], np.float32),
    'name': np.array([0, 1, 0, 0], np.int64),
    np.int64(12): np.array([0, 0, 0, 1], np.uint8),
}


def _assert_same(table):
    assert set(table) == {2007000032, 'name', 12}
    for key, value in LABELS.items():
        np.testing.assert_array_equal(table[key], value)
        assert table[key].dtype == np.float32


@pytest.mark.parametrize('protocol', [2, 3])
@pytest.mark.parametrize('module', [b'numpy.core.multiarray', b'numpy._core.multiarray'])
def test_npy_of_numpy_1_and_2(tmp_path, protocol, module):
    payload = pickle.dumps(np.array(LABELS, dtype=object), protocol=protocol)
    for name in (b'numpy._core.multiarray', b'numpy.core.multiarray'):
        payload = payload.replace(name, module)
    assert module in payload
    _assert_same(read_label_table(_write_npy(tmp_path / 'a.npy', payload)))


def test_npy_written_by_np_save(tmp_path):
    np.save(tmp_path / 'cls_labels.npy', LABELS, allow_pickle=True)
    _assert_same(read_label_table(tmp_path / 'cls_labels.npy'))


class _Touch:

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path), )


def _global(module: bytes, name: bytes, *args: bytes) -> bytes:
    return b'c' + module + b'\n' + name + b'\n(' + b''.join(args) + b'tR.'


@pytest.mark.parametrize('kind', ['value', 'top', 'getattr', 'state', 'empty', 'cut', 'float'])
def test_hostile_or_damaged_npy_runs_nothing(tmp_path, kind):
    path, canary = tmp_path / 'cls_labels.npy', tmp_path / 'canary'
    if kind == 'value':
        np.save(path, {1: _Touch(canary)}, allow_pickle=True)
    elif kind == 'top':
        _write_npy(path, pickle.dumps(_Touch(canary)))
    elif kind == 'getattr':
        _write_npy(path, _global(b'builtins', b'getattr', b'V1\n', b'Vupper\n'))
    elif kind == 'state':  # an object array whose state is not one
        _write_npy(path, pickle.dumps(np.arange(3)))
    elif kind == 'empty':
        path.write_bytes(b'')
    elif kind == 'cut':
        buffer = io.BytesIO()
        np.save(buffer, LABELS, allow_pickle=True)
        path.write_bytes(buffer.getvalue()[:-40])
    else:
        np.save(path, np.zeros(4, np.float32))
    with pytest.raises(ValueError, match='cls_labels.npy'):
        read_label_table(path)
    assert not canary.exists()


@pytest.mark.parametrize('kind', ['nest', 'memo', 'long', 'header'])
def test_a_small_npy_that_would_fill_the_memory(tmp_path, kind):
    path, begin = tmp_path / 'cls_labels.npy', time.perf_counter()
    if kind == 'nest':  # 2^28 numbers in a few hundred bytes
        vector = [0]
        for _ in range(28):
            vector = [vector, vector]
        np.save(path, np.array({1: vector}, dtype=object), allow_pickle=True)
    elif kind == 'memo':
        _write_npy(path, b'\x80\x02]r\xff\xff\xff\xff.')
    elif kind == 'long':
        _write_npy(path, b'\x80\x04\x8e' + struct.pack('<Q', 1 << 36) + b'x.')
    else:
        path.write_bytes(b'\x93NUMPY\x02\x00' + struct.pack('<I', 1 << 31) + b'[' * 100000)
    with pytest.raises(ValueError, match='cls_labels.npy'):
        read_label_table(path)
    assert time.perf_counter() - begin < 5


def test_a_name_with_blanks_and_no_class(tmp_path):
    """A row ``a b,`` is the image "a b" of no class, not "a" of the class "b"."""
    path = tmp_path / 'labels.csv'
    path.write_text('a b,\nc d,cat\n')
    assert read_label_table(path) == {'a b': [], 'c d': ['cat']}
    path.write_text('a cat\nb dog\n')  # blanks are the separator where there is no other
    assert read_label_table(path) == {'a': ['cat'], 'b': ['dog']}


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    path, calls = tmp_path / 'labels.json', []
    load = json.loads
    monkeypatch.setattr(json, 'loads', lambda *args, **kw: calls.append(1) or load(*args, **kw))
    path.write_text('{"a": ["cat"]}')
    assert read_label_table(path) == read_label_table(str(path)) == dict(a=['cat'])
    assert len(calls) == 1
    path.write_text('{"a": ["cat", "dog"]}')
    assert read_label_table(path) == dict(a=['cat', 'dog']) and len(calls) == 2


def test_many_names_with_one_twice_are_refused_at_once(tmp_path):
    names = [f'"{i}": ["cat"]' for i in range(30_000)]
    (tmp_path / 'a.json').write_text(f'{{{", ".join([*names, names[-1]])}}}')
    begin = time.process_time()
    with pytest.raises(ValueError, match='"29999" twice'):
        read_label_table(tmp_path / 'a.json')
    assert time.process_time() - begin < 2  # 10 s where each name counts all
