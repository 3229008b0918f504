from pathlib import Path

import pytest
from mmengine.config import Config

from mmwsss.datasets.supervised import use_ground_truth

CONFIGS = Path(__file__).parents[2] / 'configs'


def test_voc_trains_on_the_masks_it_is_tested_with():
    cfg = Config.fromfile(CONFIGS / 'deeplab/deeplabv2_r101_voc.py')
    cfg.train_dataloader.dataset.confidence_dir = 'confidence'
    use_ground_truth(cfg)
    assert cfg.train_dataloader.dataset.mask_dir == 'SegmentationClassAug'
    assert 'confidence_dir' not in cfg.train_dataloader.dataset
    assert cfg.train_dataloader.dataset.ann_file.endswith('train_aug.txt')


def test_coco_takes_the_folder_of_its_own_split():
    cfg = Config.fromfile(CONFIGS / 'deeplab/deeplabv2_r101_coco.py')
    use_ground_truth(cfg)
    assert cfg.train_dataloader.dataset.mask_dir == 'SegmentationClass/train2014'
    assert cfg.test_dataloader.dataset.mask_dir == 'SegmentationClass/val2014'


def test_other_root_other_ids(tmp_path):
    cfg = Config(dict(
        train_dataloader=dict(dataset=dict(type='RepeatDataset', dataset=dict(
            data_root='a', mask_dir='masks', mask_classes=['x']))),
        test_dataloader=dict(dataset=dict(data_root=str(tmp_path), mask_dir='gt'))))
    use_ground_truth(cfg)
    assert cfg.train_dataloader.dataset.dataset == dict(
        data_root='a', mask_dir=str(tmp_path / 'gt'))


def test_folder_by_default():
    """PseudoMaskDataset has a folder of ground truth where none is named."""
    data = dict(type='PseudoMaskDataset', data_root='a')
    cfg = Config(dict(train_dataloader=dict(dataset=dict(data, mask_dir='generated')),
                      test_dataloader=dict(dataset=dict(data, mask_classes=['x']))))
    use_ground_truth(cfg)
    assert cfg.train_dataloader.dataset == dict(
        data, mask_dir='SegmentationClassAug', mask_classes=['x'])
    assert use_ground_truth(Config(dict(train_dataloader=dict(dataset=data),
                                        test_dataloader=dict(dataset=data)))) is None


@pytest.mark.parametrize('cfg, message', [
    (dict(), 'trains on masks|train on masks'),
    (dict(train_dataloader=dict(dataset=dict(type='VOCImageLabelDataset'))), 'train on masks'),
    (dict(train_dataloader=dict(dataset=dict(mask_dir='m')),
          test_dataloader=dict(dataset=dict(mask_dir=None))), 'ground truth'),
])
def test_what_it_is_not_for(cfg, message):
    with pytest.raises(ValueError, match=message):
        use_ground_truth(Config(cfg))
