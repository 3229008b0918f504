"""The upper bound of a weakly supervised segmentation model."""

import inspect
import os
from pathlib import PurePath

from mmengine.config import Config

from mmwsss.registry import DATASETS

from .pseudo_mask_dataset import PseudoMaskDataset
from .splits import inner_dataset

DEFAULT_DIR = inspect.signature(PseudoMaskDataset).parameters['mask_dir'].default


def use_ground_truth(cfg: Config) -> None:
    """Make a segmentation config train on ground truth: the same training, full supervision.

    In place, the masks of ``train_dataloader`` become those of the data set of ``test_dataloader``.
    Where images and masks of a split have folders of one name (COCO: ``train2014``, ``val2014``),
    the masks are taken from the folder of the training split.

    Raises:
        ValueError: The config does not train on masks, or its test has no ground truth.
    """
    train, test = (inner_dataset((cfg.get(f'{split}_dataloader') or {}).get('dataset') or {})
                   for split in ('train', 'test'))
    for dataset in (train, test):
        if 'type' in dataset and DATASETS.get(dataset['type']) is PseudoMaskDataset:
            dataset.setdefault('mask_dir', DEFAULT_DIR)
    if 'mask_dir' not in train:
        raise ValueError('--supervised is for configs that train on masks '
                         '(train_dataloader.dataset.mask_dir); this one does not')
    if not test.get('mask_dir'):
        raise ValueError('--supervised takes the ground truth of the test data, but '
                         'test_dataloader.dataset has no mask_dir')
    masks = PurePath(test['mask_dir'])
    splits = [PurePath(dataset.get('img_dir') or '').name for dataset in (train, test)]
    masks = masks.with_name(splits[0]) if masks.name == splits[1] else masks
    if train.get('data_root') != test.get('data_root'):
        masks = PurePath(os.path.abspath(PurePath(test.get('data_root') or '') / masks))
    train['mask_dir'] = str(masks)
    for key in ('mask_suffix', 'mask_classes', 'confidence_dir'):
        train.pop(key, None)
    train.update({key: test[key] for key in ('mask_suffix', 'mask_classes') if key in test})
