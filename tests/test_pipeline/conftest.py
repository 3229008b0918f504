import copy

import pytest
from mmengine.config import Config

PACK = dict(type='PackWSSSInputs')


def loader(root, split, num, pipeline, **kwargs):
    return dict(
        batch_size=4, num_workers=0, collate_fn=dict(type='pseudo_collate'),
        sampler=dict(type='EpochSampler', shuffle=split == 'train'),
        dataset=dict(type='ShapesDataset', data_root=str(root), split=split, num_images=num,
                     image_size=48, pipeline=pipeline, **kwargs))


@pytest.fixture
def config(tmp_path):
    """A classifier on 8 drawn images that trains for two epochs in a moment."""
    root = tmp_path / 'shapes'
    test = [dict(type='LoadImage'), dict(type='LoadMask'), PACK]
    return Config(dict(
        default_scope='mmwsss',
        model=dict(
            type='WSSSClassifier',
            backbone=dict(type='mmseg.ResNet', depth=18, num_stages=1, stem_channels=8,
                          base_channels=8, strides=(1, ), dilations=(1, ), out_indices=(0, )),
            head=dict(type='GAPHead', num_classes=6, in_channels=8)),
        train_dataloader=loader(root, 'train', 8, [
            dict(type='LoadImage'), dict(type='RandomPadCrop', size=32), PACK]),
        val_dataloader=loader(root, 'train', 8, test),
        test_dataloader=loader(root, 'val', 4, test),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        train_cfg=dict(type='WSSSTrainLoop', max_epochs=2),
        default_hooks=dict(checkpoint=dict(type='WSSSCheckpointHook', interval=1)),
        pipeline=dict(cam=dict(scales=(1., ), flip=False, batch_size=4, num_workers=0),
                      mask=dict(type='ThresholdMask', bg='oracle', num_workers=0))))


@pytest.fixture
def affinity(config, tmp_path):
    """Config of an affinity network for it."""
    data = copy.deepcopy(config.train_dataloader)
    data.dataset.update(prior_dir='nowhere', prior_suffix='.npz', pipeline=[
        dict(type='LoadImage'), dict(type='LoadAffinityScores'),
        dict(type='RandomPadCrop', size=32), dict(type='AffinityLabels', stride=4), PACK])
    path = tmp_path / 'affinity.py'
    Config(dict(
        default_scope='mmwsss',
        model=dict(type='AffinityNet', backbone=config.model.backbone, in_channels=(8, ),
                   channels=(8, ), radius=3),
        train_dataloader=data, optim_wrapper=config.optim_wrapper,
        train_cfg=dict(type='WSSSTrainLoop', max_epochs=1),
        default_hooks=config.default_hooks)).dump(str(path))
    return str(path)


@pytest.fixture
def segment(tmp_path):
    """A segmentation config for it."""
    root = str(tmp_path / 'shapes')
    load = [dict(type='LoadImageFromFile'), dict(type='LoadPseudoMask')]

    def masks(split, **kwargs):
        return dict(
            batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(
                type='PseudoMaskDataset', data_root=root, mask_classes='ShapesDataset',
                ann_file=f'ImageSets/Segmentation/{split}.txt',
                pipeline=[*load, dict(type='mmseg.PackSegInputs')], **kwargs))

    metric = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
    cfg = Config(dict(
        default_scope='mmwsss',
        model=dict(
            type='MSCEncoderDecoder',
            data_preprocessor=dict(type='mmseg.SegDataPreProcessor', mean=[127.5] * 3,
                                   std=[127.5] * 3, size=(48, 48), seg_pad_val=255),
            backbone=dict(type='mmseg.ResNet', depth=18, num_stages=1, stem_channels=8,
                          base_channels=8, strides=(1, ), dilations=(1, ), out_indices=(0, )),
            decode_head=dict(type='DeepLabV2Head', in_channels=8, in_index=0, num_classes=7,
                             dilations=(1, 2)),
            train_cfg=dict(), test_cfg=dict(mode='whole')),
        train_dataloader=masks('train'),
        val_dataloader=masks('val', test_mode=True),
        test_dataloader=masks('val', test_mode=True),
        val_evaluator=metric, test_evaluator=metric,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2),
        val_cfg=dict(type='ValLoop'), test_cfg=dict(type='TestLoop'),
        default_hooks=dict(checkpoint=dict(
            type='WSSSCheckpointHook', by_epoch=False, interval=1)),
        log_processor=dict(by_epoch=False)))
    path = tmp_path / 'segment.py'
    cfg.dump(str(path))
    return str(path)
