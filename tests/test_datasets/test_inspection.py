import json

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets import ImageLabelDataset
from mmwsss.datasets import inspection as module
from mmwsss.datasets.inspection import inspect_dataset, open_folder
from mmwsss.visualization.dataset_page import dataset_page, matrix

LABELS = dict(a=['cat'], b=['dog'], c=['cat', 'dog'], d=['cow'])


def drawn(seed, size=(70, 90)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Four images whose labels and masks are right."""
    (tmp_path / 'img').mkdir()
    (tmp_path / 'mask').mkdir()
    for seed, (name, classes) in enumerate(LABELS.items()):
        Image.fromarray(drawn(seed)).save(tmp_path / 'img' / f'{name}.png')
        mask = np.zeros((70, 90), np.uint8)
        for i, c in enumerate(classes):
            mask[10:40, 20 * i:20 * i + 20] = ('cat', 'cow', 'dog').index(c) + 1
        mask[60:] = 255
        Image.fromarray(mask).save(tmp_path / 'mask' / f'{name}.png')
    return tmp_path


def inspect(folder, labels=LABELS, masks=True, **options):
    (folder / 'labels.json').write_text(json.dumps(labels))
    dataset = open_folder(folder / 'img', folder / 'labels.json',
                          folder / 'mask' if masks else None,
                          **options)
    return inspect_dataset(dataset, folder / 'img')


def serious(result):
    return {problem.text: problem.names for problem in result.problems if problem.serious}


def notes(result):
    return {problem.text: problem.names for problem in result.problems if not problem.serious}


def test_a_right_data_set(folder):
    result = inspect(folder)
    assert result.ok and result.classes == ('cat', 'cow', 'dog')
    assert result.counts.tolist() == [2, 1, 2]
    assert result.cooccurrence.tolist() == [[2, 0, 1], [0, 1, 0], [1, 0, 2]]
    area = 600 / (70 * 90)
    np.testing.assert_allclose(
        result.pixel_shares,
        [1 - 5 * area / 4 - 1 / 7, 2 * area / 4, area / 4, 2 * area / 4, 1 / 7])
    assert 'only 1 images have the class "cow"' in notes(result)
    text = result.summary()
    assert '4 images, 3 classes' in text and 'ERROR' not in text and 'ignored 14.3 %' in text
    assert 'ids of the masks: 0 = background, 1 = cat, 2 = cow, 3 = dog' in text


def test_files(folder):
    (folder / 'img' / 'c.png').write_bytes((folder / 'img' / 'c.png').read_bytes()[:900])
    Image.fromarray(drawn(9)).save(folder / 'img' / 'extra.JPG')
    result = inspect(folder, dict(LABELS, gone=['cat']))
    assert serious(result) == {'1 labelled images are not there': ['gone'],
                               '1 images cannot be decoded': ['c']}
    assert notes(result)['1 images have no label'] == ['extra.JPG']
    assert not result.ok and 'ERROR 1 images cannot be decoded (c): restore' in result.summary()


def test_duplicates_by_content(folder):
    for old, new in (('a', 'same'), ('b', 'other')):  # another format, the same pixels
        Image.open(folder / 'img' / f'{old}.png').save(folder / 'img' / f'{new}.bmp')
    result = inspect(folder, dict(LABELS, same=['cat'], other=['cow']), masks=False)
    assert serious(result) == {'1 images are copies of others with other labels': ['b = other']}
    assert notes(result)['1 images are copies of others'] == ['a = same']


def test_many_copies_are_counted_and_cut_short(folder):
    names = [f'copy{i}' for i in range(8)]
    for name in names:
        Image.open(folder / 'img' / 'a.png').save(folder / 'img' / f'{name}.png')
    result = inspect(folder, dict(LABELS, **dict.fromkeys(names, ['cat'])), masks=False)
    assert notes(result)['8 images are copies of others'] == [
        'a = copy0 = copy1 = copy2 = 5 more']


def test_labels(folder):
    result = inspect(folder, dict(a=['cat', 'dog'], b=['cat'], c=['cat'], d=['cat']), masks=False,
                     classes=('cat', 'dog', 'horse'))
    assert set(serious(result)) == {'every image has the class "cat"'}
    assert notes(result)['1 classes are not among those to learn'] == ['horse']
    assert result.classes == ('cat', 'dog') and result.all_classes == ('cat', 'dog', 'horse')
    dataset = ImageLabelDataset(  # as a config names them
        img_dir=str(folder / 'img'), label_file=str(folder / 'labels.json'), check_files=False,
        test_mode=True, metainfo=dict(classes=('cat', 'dog', 'horse')))
    assert 'no image has the class "horse"' in serious(inspect_dataset(dataset))
    result = inspect(folder, dict(a=['0'], b=['1'], c=['0'], d=['1']), masks=False)
    assert 'the classes are called 0 and 1' in notes(result)
    result = inspect(folder, dict(a=['cat', 'dog'], b=['cow'], c=['dog'], d=[]), masks=False)
    assert notes(result)['1 images have no class'] == ['d']
    assert '"cat" never comes without "dog"' in notes(result)
    assert '"dog" never comes without "cat"' not in notes(result)


def test_images(folder):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(drawn(0)).save(folder / 'img' / 'a.png', exif=exif)
    Image.fromarray(drawn(1, (20, 30))).convert('RGBA').save(folder / 'img' / 'b.png')
    deep = np.arange(70 * 90, dtype=np.uint16).reshape(70, 90)
    Image.fromarray(deep).save(folder / 'img' / 'd.png')
    Image.fromarray(drawn(2, (1, 90))).save(folder / 'img' / 'c.png')
    found = notes(inspect(folder, masks=False))
    assert found['1 images are turned by EXIF'] == ['a']
    assert found['2 images are smaller than 64 pixels, or narrower than 32'] == ['b', 'c']
    assert found['1 images are partly transparent'] == ['b']
    assert found['1 images have 16 bits'] == ['d']


def test_masks(folder):
    result = inspect(folder, dict(LABELS, a=['dog'], c=['cat', 'dog', 'cow']))
    assert serious(result) == {'1 masks show a class that the label lacks': ['a']}
    assert notes(result)['2 labels name a class that the mask lacks'] == ['a', 'c']
    (folder / 'mask' / 'b.png').unlink()
    Image.fromarray(np.full((70, 90), 7, np.uint8)).save(folder / 'mask' / 'c.png')
    Image.fromarray(np.zeros((90, 70), np.uint8)).save(folder / 'mask' / 'd.png')
    result = inspect(folder)
    problem, = [p for p in result.problems if p.text == '2 masks are wrong']
    assert problem.names == ['c', 'd'] and 'class id 7' in problem.mend
    assert notes(result)['1 images have no mask'] == ['b']


def test_masks_that_are_not_there(folder):
    with pytest.raises(FileNotFoundError, match='no folder of masks ".*/mask_"'):
        open_folder(folder / 'img', folder / 'labels.json', folder / 'mask_')
    for path in (folder / 'mask').iterdir():
        path.rename(path.with_name(f'{path.stem}_mask.png'))
    assert serious(inspect(folder)) == {'no image has a mask': list(LABELS)}


def test_ids_in_another_order(folder):
    """A wide CSV names the ids by its header; masks of another order are told of as such."""
    names = ('dog', 'cat', 'cow')

    def write(header):
        rows = [f'{name},' + ','.join(str(int(c in classes)) for c in header)
                for name, classes in LABELS.items()]
        (folder / 'labels.csv').write_text('\n'.join(['image,' + ','.join(header), *rows]))
        dataset = open_folder(folder / 'img', folder / 'labels.csv', folder / 'mask')
        return inspect_dataset(dataset, folder / 'img')

    assert write(('cat', 'cow', 'dog')).ok
    result = write(names)
    assert result.classes == names and '1 = dog, 2 = cat, 3 = cow' in result.summary()
    problem, = [problem for problem in result.problems if problem.serious]
    assert 'order of the ids (--classes' in problem.mend
    dataset = open_folder(folder / 'img', folder / 'labels.csv', folder / 'mask',
                          ('cat', 'cow', 'dog'))
    assert inspect_dataset(dataset, folder / 'img').ok


@pytest.mark.parametrize('by_option', [False, True])
def test_a_class_that_no_image_has_keeps_its_id(folder, by_option):
    names = ('ant', 'cat', 'cow', 'dog')
    for path in (folder / 'mask').iterdir():
        mask = np.array(Image.open(path))
        Image.fromarray(np.where((mask > 0) & (mask < 255), mask + 1, mask)).save(path)
    if by_option:
        result = inspect(folder, classes=names)
    else:
        rows = [f'{name},' + ','.join(str(int(c in classes)) for c in names)
                for name, classes in LABELS.items()]
        (folder / 'labels.csv').write_text('\n'.join(['image,' + ','.join(names), *rows]))
        result = inspect_dataset(
            open_folder(folder / 'img', folder / 'labels.csv', folder / 'mask'), folder / 'img')
    assert result.ok and result.classes == ('cat', 'cow', 'dog') and result.all_classes == names
    assert '1 = ant, 2 = cat, 3 = cow, 4 = dog' in result.summary()
    assert 'not among those to learn (ant)' in result.summary()


def test_page(folder):
    page = dataset_page(inspect(folder, dict(LABELS, gone=['cat'])), 'A <page>', per_class=1)
    assert 'A &lt;page&gt;' in page and 'gone' in page
    assert page.count('<img src="data:image/jpeg;base64,') == 3  # one of each class
    assert 'http' not in page.replace('http-equiv', '')


def test_matrix():
    svg = matrix(['a', 'b<'], np.array([[4, 1], [1, 2]]))
    assert 'b&lt;' in svg and svg.count('<rect') == 4
    shares = [part.split('"')[0] for part in svg.split('fill-opacity="')[1:]]
    assert shares == ['1.000', '0.250', '0.500', '1.000']


def test_a_head_that_says_another_size(tmp_path, monkeypatch):
    """It would stop the segmentation after all other stages."""
    Image.new('RGB', (32, 16)).save(tmp_path / 'a.jpg')
    monkeypatch.setattr('mmwsss.datasets.inspection.image_size', lambda path: (32, 16))
    facts = module._facts(dict(img_path=str(tmp_path / 'a.jpg')))
    assert 'is 16 x 32 by its head and 32 x 16 when it is read' in facts.error


def test_an_image_too_large_for_its_head_to_be_read(tmp_path, monkeypatch):
    Image.new('L', (64, 64)).save(tmp_path / 'a.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    assert 'exceeds limit' in module._facts(dict(img_path=str(tmp_path / 'a.png'))).error


def test_damaged_files_are_found_by_head_and_end(tmp_path):
    paths = {}
    for name in ('a.jpg', 'b.png', 'cut.jpg', 'cut.png', 'text.jpg', 'empty.png', 'more.jpg'):
        paths[name] = str(tmp_path / name)
        kind = 'PNG' if name.endswith('png') else 'JPEG'
        Image.fromarray(drawn(1)).save(paths[name], format=kind)
    for name in ('cut.jpg', 'cut.png'):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[:len(data) // 2])
    (tmp_path / 'text.jpg').write_text('no image')
    (tmp_path / 'empty.png').write_bytes(b'')
    with open(paths['more.jpg'], 'ab') as file:  # as some cameras do
        file.write(b'more than an image')
    good = ('a.jpg', 'b.png', 'more.jpg')
    module.check_images([*(paths[name] for name in good), 's3://elsewhere/a.jpg'])
    for name in set(paths) - set(good):
        with pytest.raises(ValueError, match=f'1 of 4 images are damaged, first: .*{name}'):
            module.check_images([paths[key] for key in (*good, name)])
