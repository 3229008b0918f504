import json
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from PIL import Image
from torch.utils.data import DataLoader

from mmwsss.datasets import EpochSampler, ImageLabelDataset
from mmwsss.registry import DATASETS

AUGMENT = [
    dict(type='LoadImage'),
    dict(type='LoadMask'),
    dict(type='ResizeLong', long=(16, 48)),
    dict(type='RandomFlip'),
    dict(type='ColorJitter', brightness=0.3, hue=0.1),
    dict(type='RandomPadCrop', size=32),
    dict(type='StrongView'),
    dict(type='PackWSSSInputs'),
]


def test_sample(config, folder):
    dataset = DATASETS.build(config)
    assert len(dataset) == 6
    assert dataset.metainfo['classes'] == ('cat', 'dog', 'cow')
    assert len(dataset.metainfo['palette']) == 4
    sample = dataset[1]['data_samples']['image']
    image = dataset[1]['inputs']['image']
    assert image.dtype == torch.uint8 and image.shape[0] == 3
    assert sample.name == 'b' and sample.img_path == str(folder / 'img' / 'b.jpg')
    assert tuple(image.shape[1:]) == sample.ori_shape == sample.img_shape
    assert sample.gt_label.tolist() == [0, 1, 1] and sample.gt_label.dtype == torch.float32
    assert sample.gt_sem_seg.unique().tolist() == [0, 2, 3, 255]
    assert 'valid_box' not in sample
    np.testing.assert_array_equal(
        dataset.label_matrix(),
        [[1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 1]])
    assert dataset.get_cat_ids(3) == [0, 1]


@pytest.mark.parametrize('write', ['json', 'txt', 'csv', 'npy', 'ids', 'vectors'])
def test_all_tables_give_the_same_labels(config, folder, write):
    expected = DATASETS.build(config).label_matrix()
    table = json.loads((folder / 'labels.json').read_text())
    order = ('cat', 'dog', 'cow')
    if write == 'txt':
        text = ''.join(f'{k}.jpg {" ".join(v)}\n' for k, v in table.items())
        (folder / 'table.txt').write_text(text)
    elif write == 'csv':
        (folder / 'table.csv').write_text(''.join(f'{k},{",".join(v)}\n' for k, v in table.items()))
    elif write == 'ids':
        ids = {k: [order.index(c) for c in v] for k, v in table.items()}
        (folder / 'table.json').write_text(json.dumps(ids))
        write = 'json'
    elif write == 'npy' or write == 'vectors':
        np.save(folder / 'table.npy', {k: np.float32([c in v for c in order])
                                       for k, v in table.items()}, allow_pickle=True)
        write = 'npy'
    else:
        (folder / 'table.json').write_text(json.dumps(table))
    dataset = DATASETS.build({**config, 'label_file': f'table.{write}'})
    np.testing.assert_array_equal(dataset.label_matrix(), expected)


def test_without_list_and_without_classes(config):
    del config['ann_file'], config['metainfo'], config['seg_dir']
    config['pipeline'] = [dict(type='LoadImage'), dict(type='PackWSSSInputs')]
    dataset = DATASETS.build(config)
    assert len(dataset) == 6 and dataset.metainfo['classes'] == ('cat', 'cow', 'dog')


def test_names_may_carry_the_ending(config, folder):
    (folder / 'list.txt').write_text('b.jpg\na\n')
    dataset = DATASETS.build(config)
    assert [dataset.get_data_info(i)['name'] for i in range(2)] == ['b', 'a']
    assert dataset[0]['data_samples']['image'].gt_sem_seg.max() == 255


def test_images_without_labels_in_test_mode(config, folder):
    for key in ('ann_file', 'label_file', 'seg_dir'):
        del config[key]
    config['pipeline'] = [dict(type='LoadImage'), dict(type='PackWSSSInputs')]
    with pytest.raises(ValueError, match='label_file'):
        DATASETS.build(config)
    dataset = DATASETS.build({**config, 'test_mode': True})
    assert len(dataset) == 6 and 'gt_label' not in dataset[0]['data_samples']['image']


def test_class_subset(config, capsys):
    config['metainfo'] = dict(all_classes=('cat', 'dog', 'cow'), classes=('cow', 'cat'))
    with pytest.raises(ValueError, match='"e".*drop_empty'):
        DATASETS.build(config)
    dataset = DATASETS.build({**config, 'drop_empty': True})
    names = [dataset.get_data_info(i)['name'] for i in range(len(dataset))]
    assert names == ['a', 'b', 'c', 'd', 'f']
    assert dataset.label_matrix().tolist() == [[0, 1], [1, 0], [1, 0], [0, 1], [1, 0]]
    # Of b, dog (2) is ignored and cow (3) is the first class.
    full = DATASETS.build({**config, 'metainfo': dict(classes=('cat', 'dog', 'cow'))})
    before = full[1]['data_samples']['image'].gt_sem_seg
    after = dataset[1]['data_samples']['image'].gt_sem_seg
    expected = before.clone()
    expected[before == 2] = 255
    expected[before == 3] = 1
    assert torch.equal(after, expected)
    palette = full.metainfo['palette']
    assert dataset.metainfo['palette'] == [palette[0], palette[3], palette[1]]


def test_indices(config):
    assert len(DATASETS.build({**config, 'indices': 2})) == 2
    names = [DATASETS.build({**config, 'indices': [4, 0]}).get_data_info(i)['name'] for i in (0, 1)]
    assert names == ['e', 'a']


def _batches(config, workers, epoch):
    dataset = DATASETS.build({**config, 'pipeline': AUGMENT})
    sampler = EpochSampler(dataset, seed=3)
    sampler.set_epoch(epoch)
    loader = DataLoader(dataset, 2, sampler=sampler, num_workers=workers,
                        collate_fn=pseudo_collate)
    return [(b['inputs'], [s.gt_sem_seg for s in b['data_samples']['image']]) for b in loader]


def test_samples_do_not_depend_on_workers_or_global_state(config):
    torch.manual_seed(0)
    here = _batches(config, 0, epoch=1)
    np.random.seed(99)
    there = _batches(config, 2, epoch=1)
    other = _batches(config, 0, epoch=2)
    same = []
    for (a, ma), (b, mb), (c, _) in zip(here, there, other):
        for view in ('image', 'strong'):
            assert all(map(torch.equal, a[view], b[view]))
            same += list(map(torch.equal, a[view], c[view]))
        assert all(map(torch.equal, ma, mb))
    assert not all(same)


def test_epoch_seed_and_index_change_the_augmentation(config):
    config['pipeline'] = AUGMENT
    one, two = DATASETS.build(config), DATASETS.build({**config, 'seed': 1})
    first = one.load(0, 0, 0)['inputs']['image']
    assert torch.equal(first, one[0]['inputs']['image'])
    assert torch.equal(one[-1]['inputs']['image'], one[5]['inputs']['image'])
    for other in (one.load(0, 1, 0), one.load(0, 0, 1), two[0]):
        assert not torch.equal(first, other['inputs']['image'])


def test_pickles(config):
    dataset = pickle.loads(pickle.dumps(DATASETS.build(config)))
    assert dataset[0]['data_samples']['image'].name == 'a'


# -- bad input -------------------------------------------------------------------------------------


def _fails(config, error, *words):
    with pytest.raises(error) as info:
        DATASETS.build(config)
    for word in words:
        assert word in str(info.value), str(info.value)


def test_missing_files(config, folder):
    _fails({**config, 'ann_file': 'no.txt'}, FileNotFoundError, 'no.txt', 'data_root')
    _fails({**config, 'label_file': 'no.json'}, FileNotFoundError, 'no.json')
    (folder / 'img' / 'c.jpg').unlink()
    _fails(config, FileNotFoundError, '1 of 6', 'c.jpg', 'img_dir')
    dataset = DATASETS.build({**config, 'check_files': False})
    with pytest.raises(FileNotFoundError, match='c.jpg'):
        dataset[2]


def test_missing_mask_matters_only_where_it_is_read(config, folder):
    (folder / 'seg' / 'd.png').unlink()
    _fails(config, FileNotFoundError, 'd.png', 'seg_dir')
    DATASETS.build({**config, 'pipeline': [dict(type='LoadImage')]})


@pytest.mark.parametrize('key, option', [('prior_mask', 'prior_dir'), ('saliency', 'saliency_dir')])
def test_maps_that_nobody_gave(config, key, option):
    pipeline = [dict(type='LoadImage'), dict(type='LoadMask', key=key), dict(type='PackWSSSInputs')]
    _fails({**config, 'pipeline': pipeline}, ValueError, option)
    folder = dict(prior_mask='prior', saliency='sal')[key]
    sample = DATASETS.build({**config, 'pipeline': pipeline, option: folder})[0]
    value = getattr(sample['data_samples']['image'], key)
    assert value.unique().tolist() == ([0, 1, 255] if key == 'prior_mask' else [0, 1])


def test_ending_of_saliency_maps(config, folder):
    for path in list((folder / 'sal').glob('*.png')):
        path.rename(path.with_name(f'{path.stem}_sal.png'))
    load = [dict(type='LoadImage'), dict(type='LoadMask', key='saliency')]
    config = {**config, 'pipeline': [*load, dict(type='PackWSSSInputs')], 'saliency_dir': 'sal'}
    _fails(config, FileNotFoundError, 'a.png', 'saliency_dir')
    dataset = DATASETS.build({**config, 'saliency_suffix': '_sal.png'})
    for i, name in enumerate('abcdef'):
        expected = np.array(Image.open(folder / 'sal' / f'{name}_sal.png')) > 0
        saliency = dataset[i]['data_samples']['image'].saliency
        assert np.array_equal(saliency.numpy(), expected)


def test_bad_lists(config, folder):
    (folder / 'list.txt').write_text('\n\n')
    _fails(config, ValueError, 'list.txt', 'empty')
    (folder / 'list.txt').write_text('a\nb\na.jpg\n')
    _fails(config, ValueError, '"a" twice', 'list.txt')
    (folder / 'list.txt').write_text('a\nzebra\n')
    _fails(config, ValueError, 'zebra', 'labels.json', 'no label')
    (folder / 'list.txt').write_text('../a\n')
    _fails(config, ValueError, 'list.txt": "../a" is no image id')


def test_bad_labels(config, folder):
    table = json.loads((folder / 'labels.json').read_text())
    for entry, words in (([], ('"c"', 'none of the classes')), (['zebra'], ('zebra', '"c"')),
                         ([3], ('"3"', '"c"')), ([-1], ('"-1"', ))):
        (folder / 'labels.json').write_text(json.dumps({**table, 'c': entry}))
        _fails(config, ValueError, *words)
    _fails({**config, 'metainfo': dict(all_classes=('cat', 'dog', 'cow'), classes=('owl', ))},
           ValueError, 'owl')
    np.save(folder / 'labels.npy', {name: np.zeros(4) for name in table}, allow_pickle=True)
    _fails({**config, 'label_file': 'labels.npy'}, ValueError, 'labels.npy', '(4,)')


@pytest.mark.parametrize('damage', ['cut', 'half', 'empty', 'text', 'png'])
def test_damaged_image(config, folder, damage):
    path = folder / 'img' / 'b.jpg'
    data = path.read_bytes()
    if damage == 'png':
        path.unlink()
        path = folder / 'img' / 'b.png'
        Image.effect_noise((40, 40), 50).save(path)
        data = path.read_bytes()
    path.write_bytes(dict(cut=data[:-20], half=data[:len(data) // 2], empty=b'', text=b'hello',
                          png=data[:-200])[damage])
    dataset = DATASETS.build(config)
    with pytest.raises(ValueError, match=path.name) as info:
        dataset[1]
    assert 'restore' in str(info.value)


def test_image_followed_by_something_is_whole(config, folder):
    path = folder / 'img' / 'b.jpg'
    before = DATASETS.build(config)[1]['inputs']['image']
    path.write_bytes(path.read_bytes() + b'appended')
    assert torch.equal(DATASETS.build(config)[1]['inputs']['image'], before)


def test_damaged_masks(config, folder):
    dataset = DATASETS.build(config)
    path = folder / 'seg' / 'b.png'
    size = Image.open(path).size

    def fails(*words):
        with pytest.raises(ValueError, match='b.png') as info:
            dataset[1]
        for word in words:
            assert word in str(info.value)

    Image.new('L', size, 4).save(path)
    fails('class id 4', 'out of range', '0 (background) to 3')
    Image.new('L', (size[0] + 1, size[1])).save(path)
    fails('b.jpg', 'size')
    Image.new('RGB', size).save(path)
    fails('RGB')
    path.write_bytes(b'nothing')
    fails('decoded')


def test_a_broken_image_is_never_replaced(config, folder):
    (folder / 'img' / 'a.jpg').write_bytes(b'nothing')
    dataset = DATASETS.build(config)
    for _ in range(3):
        with pytest.raises(ValueError, match='a.jpg'):
            dataset[0]
    silent = ImageLabelDataset(**{k: v for k, v in config.items() if k not in ('type', 'pipeline')},
                               pipeline=[lambda results: None])
    with pytest.raises(ValueError, match='gave nothing'):
        silent[0]


def test_lists_that_are_not_text(config, folder):
    (folder / 'list.txt').write_bytes(b'\xff\xfe\x00\x80')
    _fails(config, ValueError, 'list.txt', 'UTF-8')


def test_negative_images(config):
    config['metainfo'] = dict(all_classes=('cat', 'dog', 'cow'), classes=('cow', 'cat'))
    with pytest.raises(ValueError, match='allow_negatives'):
        DATASETS.build(config)
    dataset = DATASETS.build({**config, 'allow_negatives': True})
    assert [dataset.get_data_info(i)['name'] for i in range(len(dataset))] == list('abcdef')
    assert dataset.label_matrix()[4].tolist() == [0, 0]
    assert dataset[4]['data_samples']['image'].gt_label.tolist() == [0, 0]
    with pytest.raises(ValueError, match='one of the two'):
        DATASETS.build({**config, 'allow_negatives': True, 'drop_empty': True})


def test_ids_with_spaces_stay_whole(config, folder):
    (folder / 'list.txt').write_text('a b\n')
    with pytest.raises(ValueError, match='"a b"'):
        DATASETS.build(config)


def test_a_folder_without_list_and_labels_is_read_with_its_subfolders(tmp_path):
    for name in ('b.jpg', 'sub/a.png', 'sub/deep/c d.JPG'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (5, 4)).save(tmp_path / name)
    (tmp_path / 'sub' / 'notes.txt').touch()
    (tmp_path / 'folder.jpg').mkdir()
    dataset = ImageLabelDataset(str(tmp_path), test_mode=True, metainfo=dict(classes=('x', )))
    assert [dataset.get_data_info(i)['name'] for i in range(len(dataset))] == [
        'b', 'sub/a', 'sub/deep/c d']


@pytest.mark.parametrize(('metainfo', 'message'), [
    (dict(clases=('cat', 'dog')), 'metainfo has the key "clases"; did you mean classes'),
    (dict(CLASSES=('cat', 'dog')), 'did you mean classes'),
    (dict(all_clases=('cat', 'dog')), 'did you mean all_classes'),
    (dict(classes='cat'), "metainfo.classes='cat' is read as a file .*single class is")])
def test_keys_of_the_metainfo(config, metainfo, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        DATASETS.build({**config, 'metainfo': metainfo})
    DATASETS.build({**config, 'metainfo': {**config['metainfo'], 'task_name': 'mine'}})
