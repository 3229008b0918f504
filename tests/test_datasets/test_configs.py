"""The data configs build and give batches that the data preprocessor takes."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image

from mmwsss.datasets import EpochIndex
from mmwsss.registry import DATA_SAMPLERS, DATASETS, MODELS

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'


@pytest.fixture
def voc(tmp_path):
    for sub in ('JPEGImages', 'SegmentationClassAug', 'Annotations', 'ImageSets/Segmentation'):
        (tmp_path / sub).mkdir(parents=True)
    for i in range(2):
        name = f'2007_00000{i}'
        cv2.imwrite(str(tmp_path / f'JPEGImages/{name}.jpg'), np.full((30, 50, 3), 90, np.uint8))
        Image.new('L', (50, 30), 8).save(tmp_path / f'SegmentationClassAug/{name}.png')
        (tmp_path / f'Annotations/{name}.xml').write_text(
            '<annotation><object><name>cat</name></object></annotation>')
    for part in ('train_aug', 'train'):
        (tmp_path / f'ImageSets/Segmentation/{part}.txt').write_text('2007_000000\n2007_000001\n')
    return tmp_path


@pytest.mark.parametrize('name', ['voc12', 'shapes'])
def test_config(name, voc, tmp_path):
    import mmwsss.models.data_preprocessor  # noqa: F401
    cfg = Config.fromfile(CONFIGS / f'{name}_wsss.py')
    preprocess = MODELS.build(cfg.data_preprocessor)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg[key]
        loader.dataset.data_root = str(voc if name == 'voc12' else tmp_path / 'shapes')
        if name == 'shapes':
            loader.dataset.update(num_images=3, image_size=40)
        dataset = DATASETS.build(loader.dataset)
        sampler = DATA_SAMPLERS.build(dict(loader.sampler, dataset=dataset, seed=0))
        indices = list(sampler)[:2]
        batch = preprocess(pseudo_collate([dataset[i] for i in indices]))
        assert batch['inputs']['image'].shape[:2] == (2, 3)
        sample = batch['data_samples']['image'][0]
        assert ('gt_sem_seg' in sample) == (key != 'train_dataloader')
        assert isinstance(indices[0], EpochIndex) == (key == 'train_dataloader')
        if key == 'train_dataloader':
            assert batch['inputs']['image'].shape[2] == loader.dataset.pipeline[3].size


def test_coco_config_names_what_the_converter_writes(tmp_path):
    cfg = Config.fromfile(CONFIGS / 'coco14_wsss.py')
    cfg.train_dataloader.dataset.data_root = str(tmp_path)
    with pytest.raises(FileNotFoundError, match='labels_train2014.json'):
        DATASETS.build(cfg.train_dataloader.dataset)
