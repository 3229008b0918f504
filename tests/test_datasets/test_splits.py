import shutil

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets import PseudoMaskDataset
from mmwsss.datasets.splits import ImageUnion, Split, build_image_dataset, inner_dataset
from mmwsss.registry import DATASETS


def test_the_data_set_inside_wrappers(config):
    wrapped = dict(type='PairedDataset', dataset=dict(type='X', dataset=config))
    assert inner_dataset(wrapped) is config
    dataset = build_image_dataset(dict(config, views=[dict(type='PairedView')]), masks=True)
    assert [t['type'] if isinstance(t, dict) else type(t).__name__
            for t in dataset.pipeline.transforms] == ['LoadImage', 'LoadMask', 'PackWSSSInputs']
    assert 'gt_sem_seg' not in build_image_dataset(config)[0]['data_samples']['image']


def test_ground_truth_in_ids_of_the_chosen_classes(config, folder):
    config['metainfo'] = dict(all_classes=('cat', 'dog', 'cow'), classes=('cow', 'cat'))
    split = Split({**config, 'drop_empty': True})
    assert split.name == 'list' and split.has_ground_truth
    assert split.names == ['a', 'b', 'c', 'd', 'f'] and len(split) == 5
    assert split.classes == ('cow', 'cat') and split.num_classes == 2
    raw = np.array(Image.open(folder / 'seg' / 'b.png'))
    expected = np.vectorize({0: 0, 1: 2, 2: 255, 3: 1, 255: 255}.get)(raw)
    assert np.array_equal(split.ground_truth('b'), expected)


def test_an_unknown_id_is_an_error_here_too(config, folder):
    Image.fromarray(np.full((4, 4), 77, np.uint8)).save(folder / 'seg' / 'b.png')
    with pytest.raises(ValueError, match='b.png" has the class id 77'):
        Split(config).ground_truth('b')


def test_ground_truth_is_optional(config, folder):
    split = Split({**config, 'seg_dir': 'nowhere'}, 'mine')
    assert not split.has_ground_truth and split.name == 'mine'
    with pytest.raises(FileNotFoundError):
        split.ground_truth('a')
    del config['seg_dir']
    assert not Split(config).has_ground_truth
    with pytest.raises(FileNotFoundError, match='seg_dir'):
        Split(config).ground_truth('a')


def test_half_a_ground_truth_is_an_error(config, folder):
    (folder / 'seg' / 'c.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 of the 6 .*c\.png'):
        Split(config)


def test_the_test_set_of_a_segmentation_model(folder):
    dataset = PseudoMaskDataset(
        ann_file='list.txt', data_root=str(folder), img_dir='img', mask_dir='seg', test_mode=True,
        mask_classes=('cat', 'dog', 'cow'), metainfo=dict(classes=('dog', )), pipeline=[])
    split = Split(dataset)
    assert split.classes == ('dog', ) and split.names[:2] == ['a', 'b']
    raw = np.array(Image.open(folder / 'seg' / 'b.png'))
    expected = np.vectorize({0: 0, 2: 1, 3: 255, 255: 255}.get)(raw)
    assert np.array_equal(split.ground_truth('b'), expected)


def test_union_has_each_image_once(config, folder):
    (folder / 'other.txt').write_text('c\ne\n')
    part = DATASETS.build({**config, 'ann_file': 'other.txt'})
    union = ImageUnion([part, DATASETS.build(config)])
    assert [union.get_data_info(i)['name'] for i in range(len(union))] == list('ceabdf')
    assert union.metainfo is not None and union[0]['data_samples']['image'].name == 'c'


def test_two_images_of_one_name_are_refused(config, folder):
    """Also where the paths differ and the file is one."""
    link = folder / 'link'
    link.symlink_to(folder / 'img')
    same = DATASETS.build({**config, 'img_dir': str(link)})
    assert len(ImageUnion([DATASETS.build(config), same])) == 6
    shutil.copytree(folder / 'img', folder / 'other')
    other = DATASETS.build({**config, 'img_dir': 'other'})
    with pytest.raises(ValueError, match=r'img/a.* and .*other/a.* of one name, "a"'):
        ImageUnion([DATASETS.build(config), other])
