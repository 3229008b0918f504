# MCTformer V2 (CVPR 2022) on DeiT-S. Published on VOC train: seed 61.7, mask (PSA) 69.1 mIoU;
# val/test 71.9/71.6 with DeepLabV1-ResNet38. Users report seeds from 55 to 61.7: give several
# random seeds.
_base_ = [
    '../_base_/models/mctformer_v2.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/augmentations/deit.py',
    '../_base_/schedules/adamw_60e.py',
    '../_base_/refiners/psa.py',
    '../_base_/default_runtime.py',
]

model = dict(test_cfg=dict(scales=(1.0, ), flip=True, norm='minmax'))

train_dataloader = dict(batch_size=64, dataset=dict(pipeline=_base_.augmentation))
pipeline = dict(
    affinity=dict(
        config='configs/mctformer/affinity_r38_voc.py', labels=dict(low=1, high=12)),
    mask=dict(_delete_=True, type='PSAMask', bg=0.39, beta=8, log_steps=6),
    segment=dict(config='configs/deeplab/deeplabv1_r38_mct_voc_msc-crf.py'))
