import numpy as np
import pytest
from mmengine.registry import init_default_scope
from PIL import Image

from mmwsss.datasets import LoadPseudoMask, PseudoMaskDataset
from mmwsss.datasets.mask_ids import MaskIds
from mmwsss.datasets.splits import config_classes
from mmwsss.utils.palette import voc_palette

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadPseudoMask')]


@pytest.fixture
def root(tmp_path):
    """Three images of 6x8 whose masks hold 0..3 and 255."""
    init_default_scope('mmwsss')
    rng = np.random.default_rng(0)
    for folder in ('img', 'mask', 'confidence'):
        (tmp_path / folder).mkdir()
    for name in 'abc':
        Image.fromarray(rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)).save(
            tmp_path / 'img' / f'{name}.jpg')
        mask = rng.choice([0, 1, 2, 3, 255], (6, 8)).astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / 'mask' / f'{name}.png')
        Image.fromarray(rng.integers(0, 256, (6, 8)).astype(np.uint8)).save(
            tmp_path / 'confidence' / f'{name}.png')
    (tmp_path / 'list.txt').write_text('b\n\na cat dog\n')
    return tmp_path


def build(root, **options):
    kwargs = dict(
        ann_file='list.txt', data_root=str(root), img_dir='img', mask_dir='mask',
        metainfo=dict(classes=('cat', 'cow', 'dog')), pipeline=PIPELINE)
    kwargs.update(options)
    return PseudoMaskDataset(**kwargs)


def mask_of(root, name, folder='mask'):
    return np.array(Image.open(root / folder / f'{name}.png'))


def test_images_and_masks_of_the_list(root):
    dataset = build(root)
    assert dataset.metainfo['classes'] == ('background', 'cat', 'cow', 'dog')
    assert dataset.metainfo['palette'] == voc_palette(4)  # as the masks; mmseg's is random
    assert [record['name'] for record in dataset] == ['b', 'a']
    assert np.array_equal(dataset[0]['gt_seg_map'], mask_of(root, 'b'))
    assert [record['name'] for record in build(root, ann_file='')] == ['a', 'b', 'c']


def test_ending_of_the_masks(root):
    for path in list((root / 'mask').glob('*.png')):
        path.rename(path.with_name(f'{path.stem}_mask.png'))
    for ann_file, names in (('list.txt', ['b', 'a']), ('', ['a', 'b', 'c'])):
        dataset = build(root, mask_suffix='_mask.png', ann_file=ann_file)
        assert [record['name'] for record in dataset] == names
        for record in dataset:
            assert np.array_equal(record['gt_seg_map'], mask_of(root, f'{record["name"]}_mask'))
    with pytest.raises(FileNotFoundError, match='b.png'):
        build(root)


def test_a_subset_of_the_classes_of_the_masks(root):
    dataset = build(
        root, mask_classes=('cat', 'cow', 'dog'),
        metainfo=dict(classes=('dog', 'cat'), palette=[[0, 0, 0], [1, 1, 1], [2, 2, 2]]))
    expected = np.array([{0: 0, 1: 2, 2: 255, 3: 1, 255: 255}[i] for i in mask_of(root, 'b').flat])
    assert np.array_equal(dataset[0]['gt_seg_map'].ravel(), expected)
    assert dataset.metainfo['classes'] == ('background', 'dog', 'cat')


def test_classes_listed_in_a_file(root):
    (root / 'names.txt').write_text('cat\ncow\ndog\n')
    metainfo = dict(classes=str(root / 'names.txt'))
    dataset = build(root, metainfo=metainfo)
    assert dataset.metainfo['classes'] == ('background', 'cat', 'cow', 'dog')
    for known in (dict(metainfo=metainfo),
                  dict(mask_classes=['cat', 'cow', 'dog'], metainfo=dict(classes=['dog']))):
        cfg = dict(train_dataloader=dict(dataset=dict(type='PseudoMaskDataset', **known)))
        classes, palette = config_classes(cfg)
        assert classes == (['dog'] if 'mask_classes' in known else ['cat', 'cow', 'dog'])
        assert palette == [voc_palette(4)[i] for i in (0, 3)] if len(classes) == 1 else (
            voc_palette(4))


def test_classes_of_configs():
    def classes_of(**dataset):
        return config_classes(dict(train_dataloader=dict(dataset=dataset)))[0]

    assert config_classes({}) == (None, None)
    assert classes_of(type='ImageLabelDataset') is None  # its table may name them
    assert len(classes_of(type='VOCImageLabelDataset')) == 20
    assert classes_of(type='PairedDataset', dataset=dict(type='VOCImageLabelDataset', metainfo=dict(
        classes=['cow', 'cat']))) == ['cow', 'cat']
    assert len(classes_of(type='PseudoMaskDataset', mask_classes='VOCImageLabelDataset')) == 20
    assert classes_of(type='mmseg.PascalVOCDataset')[0] == 'aeroplane'


def test_lists_with_a_byte_order_mark(root):
    (root / 'list.txt').write_text('a\nb\n', encoding='utf-8-sig')
    assert [record['name'] for record in build(root)] == ['a', 'b']
    (root / 'list.txt').write_bytes(b'\xe9\n')
    with pytest.raises(ValueError, match='list.txt" is not a text file in UTF-8'):
        build(root)


def test_classes_of_a_registered_dataset(root):
    dataset = build(root, mask_classes='ShapesDataset', metainfo=None)
    from mmwsss.datasets import ShapesDataset
    assert dataset.metainfo['classes'] == ('background', *ShapesDataset.METAINFO['classes'])
    assert dataset.metainfo['palette'] == ShapesDataset.METAINFO['palette']
    last = ShapesDataset.METAINFO['classes'][-1]
    subset = build(root, mask_classes='ShapesDataset', metainfo=dict(classes=(last,)))
    assert subset.metainfo['palette'][1] == ShapesDataset.METAINFO['palette'][-1]


def test_unreliable_pixels_are_ignored(root):
    dataset = build(root, confidence_dir='confidence', confidence_threshold=0.4)
    expected = mask_of(root, 'b')
    expected[mask_of(root, 'b', 'confidence') < 0.4 * 255] = 255
    assert np.array_equal(dataset[0]['gt_seg_map'], expected)
    with pytest.raises(FileNotFoundError, match='confidence masks'):
        build(root, confidence_dir='nowhere')


def test_the_mask_follows_the_image_as_in_mmseg(root):
    dataset = build(root, pipeline=[
        *PIPELINE, dict(type='mmseg.Resize', scale=(16, 12)), dict(type='mmseg.PackSegInputs')])
    sample = dataset[0]['data_samples']
    assert sample.gt_sem_seg.data.shape == (1, 12, 16)
    assert np.array_equal(sample.gt_sem_seg.data[0, ::2, ::2], mask_of(root, 'b'))


def replace(root, name, array):
    Image.fromarray(array).save(root / 'mask' / f'{name}.png')


@pytest.mark.parametrize('spoil, error, message', [
    (lambda root: (root / 'mask' / 'a.png').unlink(), FileNotFoundError, 'mask/a.png'),
    (lambda root: (root / 'img' / 'a.jpg').unlink(), FileNotFoundError, 'img/a.jpg'),
    (lambda root: (root / 'img' / 'a.jpg').write_bytes(b'x'), ValueError, 'img/a.jpg'),
    (lambda root: (root / 'mask' / 'a.png').write_bytes(b'x'), ValueError, 'mask/a.png'),
    (lambda root: replace(root, 'a', np.zeros((8, 6), np.uint8)), ValueError, 'a.png is 6x8'),
    (lambda root: replace(root, 'a', np.full((6, 8), 4, 'u1')), ValueError, 'a.png.*class id 4'),
    (lambda root: replace(root, 'a', np.zeros((6, 8, 3), np.uint8)), ValueError, 'a.png.*RGB'),
    (lambda root: (root / 'list.txt').write_text('\n'), ValueError, 'list.txt is empty'),
    (lambda root: (root / 'list.txt').unlink(), FileNotFoundError, 'list.txt does not exist'),
])
def test_bad_files_are_named_before_training(root, spoil, error, message):
    spoil(root)
    with pytest.raises(error, match=message):
        build(root)


def test_without_verification_the_mask_is_checked_when_read(root):
    replace(root, 'b', np.full((6, 8), 9, np.uint8))
    dataset = build(root, verify=False)
    with pytest.raises(ValueError, match='b.png.*class id 9'):
        dataset[0]


def test_one_process_of_each_node_reads_the_masks(root, monkeypatch):
    replace(root, 'b', np.full((6, 8), 9, np.uint8))
    monkeypatch.setenv('LOCAL_RANK', '1')
    build(root)
    monkeypatch.setenv('LOCAL_RANK', '0')
    with pytest.raises(ValueError, match='b.png.*class id 9'):
        build(root)


@pytest.mark.parametrize('options, message', [
    (dict(metainfo=None), 'classes'),
    (dict(metainfo=dict(classes=('background', 'cat'))), 'background'),
    (dict(mask_classes=('cat', 'dog')), "'cow'"),
    (dict(mask_classes='NoSuchDataset'), 'NoSuchDataset'),
    (dict(confidence_threshold=3), 'confidence_threshold'),
])
def test_bad_options(root, options, message):
    with pytest.raises(ValueError, match=message):
        build(root, **options)


def test_confidence_mask_of_another_size(root):
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(root / 'confidence' / 'b.png')
    dataset = build(root, confidence_dir='confidence')
    with pytest.raises(ValueError, match='confidence/b.png'):
        dataset[0]


def test_class_id_table():
    table = MaskIds(('x', 'y', 'z'), ('z', 'x')).table
    assert table[[0, 1, 2, 3, 255]].tolist() == [0, 2, 255, 1, 255]


def test_registered_for_mmseg():
    from mmseg.registry import DATASETS, TRANSFORMS
    assert DATASETS.get('PseudoMaskDataset') is PseudoMaskDataset
    assert TRANSFORMS.get('LoadPseudoMask') is LoadPseudoMask


def test_ids_with_spaces_and_subfolders_stay_whole(root):
    for folder, suffix in (('img', '.jpg'), ('mask', '.png')):
        (root / folder / 'sub').mkdir()
        for name, source in (('a x', 'b'), ('sub/a', 'c')):
            data = (root / folder / f'{source}{suffix}').read_bytes()
            (root / folder / f'{name}{suffix}').write_bytes(data)
    (root / 'list.txt').write_text('a\na x\nsub/a\n')
    dataset = build(root)
    assert [record['name'] for record in dataset] == ['a', 'a x', 'sub/a']
    assert np.array_equal(dataset[1]['gt_seg_map'], mask_of(root, 'b'))
    assert np.array_equal(dataset[2]['gt_seg_map'], mask_of(root, 'c'))
    names = [record['name'] for record in build(root, ann_file='')]
    assert names == ['a', 'a x', 'b', 'c', 'sub/a']


@pytest.mark.parametrize('line', ['b', 'b -1', '/img/b.jpg /mask/b.png'])
def test_lines_of_vocs_lists(root, line):
    (root / 'list.txt').write_text(line + '\n')
    dataset = build(root, mask_classes='VOCImageLabelDataset', metainfo=None)
    assert [record['name'] for record in dataset] == ['b']


def test_a_test_set_without_masks(root):
    with pytest.raises(FileNotFoundError, match='masks'):
        build(root, mask_dir='nowhere')
    dataset = build(root, mask_dir='nowhere', test_mode=True)
    assert [record['name'] for record in dataset] == ['b', 'a']
    assert 'gt_seg_map' not in dataset[0]
    names = [x['name'] for x in build(root, mask_dir='nowhere', ann_file='', test_mode=True)]
    assert names == ['a', 'b', 'c']
    assert 'gt_seg_map' not in build(root, mask_dir=None, test_mode=True)[0]
    with pytest.raises(ValueError, match='mask_dir=None is for test_mode'):
        build(root, mask_dir=None)
    (root / 'mask' / 'a.png').unlink()  # a part is a mistake
    with pytest.raises(FileNotFoundError, match='1 of the 2 masks'):
        build(root, test_mode=True)


def test_inference_of_mmseg_has_no_mask(root):
    results = dict(img_path=str(root / 'img' / 'a.jpg'), ori_shape=(6, 8))
    assert LoadPseudoMask()(dict(results)) == results


@pytest.mark.parametrize('name', ['name - Copy ', 'b ', ' c', 'plain'])
def test_blanks_at_the_ends_of_a_name(tmp_path, name):
    """A list that the pipeline writes holds names as they are; one by hand may end in blanks."""
    for folder, ending in (('images', 'jpg'), ('masks', 'png')):
        (tmp_path / folder).mkdir()
        for one in (name, 'other'):
            Image.new('L', (8, 6)).save(tmp_path / folder / f'{one}.{ending}')
    (tmp_path / 'list.txt').write_text(f'{name}\nother\n')
    options = dict(data_root=str(tmp_path), img_dir='images', mask_dir='masks', img_suffix=None,
                   ann_file='list.txt', metainfo=dict(classes=('a', )), pipeline=[])
    assert [x['name'] for x in PseudoMaskDataset(**options).load_data_list()] == [name, 'other']
    if name == 'plain':
        (tmp_path / 'list.txt').write_text('plain \nother  x\n')
        found = PseudoMaskDataset(**options).load_data_list()
        assert [x['name'] for x in found] == ['plain', 'other']


def test_an_image_with_two_files_is_none(tmp_path):
    """The classifier's list may name the other one."""
    for name in ('images/a.jpg', 'images/a.png', 'masks/a.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new('L', (8, 6)).save(tmp_path / name)
    options = dict(data_root=str(tmp_path), img_dir='images', mask_dir='masks', pipeline=[],
                   metainfo=dict(classes=('a', )))
    with pytest.raises(ValueError, match='"a" may be .*images/a.jpg or .*images/a.png'):
        PseudoMaskDataset(**options, img_suffix=None).load_data_list()
    assert PseudoMaskDataset(**options, img_suffix='.png').load_data_list()[0]['img_path'].endswith(
        'images/a.png')
