import json

import cv2
import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets import COCOImageLabelDataset, VOCImageLabelDataset
from mmwsss.datasets.coco import CATEGORY_IDS
from mmwsss.registry import DATASETS

XML = '<annotation>{}</annotation>'
OBJECT = '<object><name>{}</name><part><name>head</name></part></object>'


@pytest.fixture
def voc(tmp_path):
    for sub in ('JPEGImages', 'Annotations', 'SegmentationClassAug', 'ImageSets/Segmentation'):
        (tmp_path / sub).mkdir(parents=True)
    for name, objects in (('2007_000032', ['person', 'aeroplane', 'person']),
                          ('2007_000039', ['tvmonitor'])):
        cv2.imwrite(str(tmp_path / 'JPEGImages' / f'{name}.jpg'), np.zeros((9, 8, 3), np.uint8))
        xml = XML.format(''.join(OBJECT.format(o) for o in objects))
        (tmp_path / 'Annotations' / f'{name}.xml').write_text(xml)
        mask = np.zeros((9, 8), np.uint8)
        mask[2], mask[3], mask[4] = 15, 20, 255
        Image.fromarray(mask).save(tmp_path / 'SegmentationClassAug' / f'{name}.png')
    (tmp_path / 'ImageSets/Segmentation/train_aug.txt').write_text('2007_000032\n2007_000039\n')
    return tmp_path


def test_voc_labels_from_xml(voc):
    dataset = VOCImageLabelDataset(str(voc))
    classes = dataset.metainfo['classes']
    assert len(classes) == 20 and list(classes) == sorted(classes)
    assert dataset.get_cat_ids(0) == [0, 14] and dataset.get_cat_ids(1) == [19]
    palette = dataset.metainfo['palette']  # a few well-known colours
    assert len(palette) == 21
    assert [palette[i] for i in (0, 1, 15, 20)] == [[0, 0, 0], [128, 0, 0], [192, 128, 128],
                                                    [0, 64, 128]]


def test_voc_folder_of_the_xml(voc):
    (voc / 'Annotations').rename(voc / 'xml')
    dataset = VOCImageLabelDataset(str(voc), xml_dir='xml')
    assert dataset.get_cat_ids(0) == [0, 14] and dataset.get_cat_ids(1) == [19]
    assert len(VOCImageLabelDataset(str(voc), ann_file='', xml_dir='xml')) == 2
    with pytest.raises(FileNotFoundError, match='Annotations'):
        VOCImageLabelDataset(str(voc))


def test_voc_labels_from_npy_and_odd_lists(voc):
    table = {2007000032: np.eye(20, dtype=np.float32)[3], 2007000039: np.eye(20)[4]}
    np.save(voc / 'cls_labels.npy', table, allow_pickle=True)
    (voc / 'list.txt').write_text('/JPEGImages/2007_000039.jpg /SegmentationClassAug/x.png\n'
                                  '2007_000032  1\n')
    dataset = VOCImageLabelDataset(str(voc), 'list.txt', 'cls_labels.npy')
    assert [dataset.get_data_info(i)['name'] for i in (0, 1)] == ['2007_000039', '2007_000032']
    assert dataset.label_matrix().argmax(1).tolist() == [4, 3]


def test_voc_subset(voc):
    dataset = VOCImageLabelDataset(
        str(voc), metainfo=dict(classes=('tvmonitor', 'person')),
        pipeline=[dict(type='LoadImage'), dict(type='LoadMask'), dict(type='PackWSSSInputs')])
    assert dataset.label_matrix().tolist() == [[0, 1], [1, 0]]
    mask = dataset[0]['data_samples']['image'].gt_sem_seg
    assert mask[:6, 0].tolist() == [0, 0, 2, 1, 255, 0]
    with pytest.raises(ValueError, match='zebra'):
        VOCImageLabelDataset(str(voc), metainfo=dict(classes=('zebra', )))
    only = VOCImageLabelDataset(str(voc), metainfo=dict(classes=('person', )), drop_empty=True,
                                pipeline=[dict(type='LoadImage'), dict(type='LoadMask'),
                                          dict(type='PackWSSSInputs')])
    assert len(only) == 1
    assert only[0]['data_samples']['image'].gt_sem_seg[:6, 0].tolist() == [0, 0, 1, 255, 255, 0]


def test_voc_bad_xml(voc):
    path = voc / 'Annotations' / '2007_000032.xml'
    path.write_text(XML.format(OBJECT.format('zebra')))
    with pytest.raises(ValueError, match='zebra.*2007_000032'):
        VOCImageLabelDataset(str(voc))
    path.write_text('<annotation>')
    with pytest.raises(ValueError, match='2007_000032.xml'):
        VOCImageLabelDataset(str(voc))
    path.unlink()
    with pytest.raises(FileNotFoundError, match='2007_000032.xml.*label_file'):
        VOCImageLabelDataset(str(voc))


# Known by heart: ends and neighbours of the gaps of COCO's numbering.
KNOWN = {1: 'person', 11: 'fire hydrant', 13: 'stop sign', 25: 'giraffe', 27: 'backpack',
         28: 'umbrella', 31: 'handbag', 44: 'bottle', 46: 'wine glass', 65: 'bed',
         67: 'dining table', 70: 'toilet', 72: 'tv', 82: 'refrigerator', 84: 'book',
         90: 'toothbrush'}


@pytest.fixture
def coco(tmp_path):
    for sub in ('train2014', 'annotations'):
        (tmp_path / sub).mkdir()
    images = [dict(id=i, file_name=f'COCO_train2014_{i:012d}.jpg', height=5, width=6)
              for i in (9, 25, 30)]
    for image in images:
        cv2.imwrite(str(tmp_path / 'train2014' / image['file_name']), np.zeros((5, 6, 3), np.uint8))
    categories = [dict(id=i, name=COCOImageLabelDataset.METAINFO['classes'][k])
                  for k, i in enumerate(CATEGORY_IDS)]
    annotations = [dict(image_id=9, category_id=90), dict(image_id=9, category_id=1),
                   dict(image_id=9, category_id=1), dict(image_id=25, category_id=13)]
    path = tmp_path / 'annotations' / 'instances_train2014.json'
    path.write_text(json.dumps(dict(images=images, categories=categories,
                                    annotations=annotations)))
    return tmp_path


def test_coco_classes():
    classes = COCOImageLabelDataset.METAINFO['classes']
    assert len(classes) == len(set(classes)) == len(CATEGORY_IDS) == 80
    index = dict(zip(CATEGORY_IDS, classes))
    for category, name in KNOWN.items():
        assert index[category] == name
    assert CATEGORY_IDS[-1] == 90 and 12 not in CATEGORY_IDS


def test_coco_labels(coco):
    dataset = DATASETS.build(dict(type='COCOImageLabelDataset', data_root=str(coco)))
    assert len(dataset) == 2  # the third image has no object
    assert dataset.get_data_info(0)['name'] == 'COCO_train2014_000000000009'
    assert dataset.get_cat_ids(0) == [0, 79] and dataset.get_cat_ids(1) == [11]
    assert len(dataset.metainfo['palette']) == 81
    (coco / 'list.txt').write_text('25\nCOCO_train2014_000000000030\n')
    with pytest.raises(ValueError, match='000000000030'):
        COCOImageLabelDataset(str(coco), ann_file='list.txt')
    assert len(COCOImageLabelDataset(str(coco), ann_file='list.txt', drop_empty=True)) == 1


def test_coco_other_tables(coco):
    np.save(coco / 'cls_labels.npy', {9: np.eye(80, dtype=np.float32)[2]}, allow_pickle=True)
    assert COCOImageLabelDataset(str(coco), label_file='cls_labels.npy').get_cat_ids(0) == [2]
    (coco / 'labels.json').write_text(json.dumps({'COCO_train2014_000000000025': ['hot dog']}))
    assert COCOImageLabelDataset(str(coco), label_file='labels.json').get_cat_ids(0) == [52]


def test_coco_bad_annotations(coco):
    path = coco / 'annotations' / 'instances_train2014.json'
    data = json.loads(path.read_text())
    for change in (dict(categories=[dict(id=1, name='cat')]), dict(categories=[dict(id=12, name='x')
                                                                               ])):
        path.write_text(json.dumps({**data, **change}))
        with pytest.raises(ValueError, match='instances_train2014.json.*COCO'):
            COCOImageLabelDataset(str(coco))
    del data['images']
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match='instances_train2014.json'):
        COCOImageLabelDataset(str(coco))
    path.unlink()
    with pytest.raises(FileNotFoundError, match='instances_train2014.json'):
        COCOImageLabelDataset(str(coco))
