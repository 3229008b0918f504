# AEFT (ECCV 2022) on ResNet38. Published on VOC train: seed 56.0 (56.2 with the released weights).
_base_ = ['../ktse/gpp_r38_voc.py', '../_base_/refiners/psa.py']

# The released code goes from batch 8 to 32 and then classifies only the first 8 of each batch
# (cls_images=None: all).
begin = 18
train_cfg = dict(batch_size=[(0, 8), (begin, 32)])
model = dict(
    cls_images=8,
    modules=[
        dict(
            type='AdversarialErasingTriplet',
            threshold=0.6,
            attract_weight=0.2,
            repulse_weight=0.15,
            region_threshold=0.2,
            margin=0.5,
            begin=begin)
    ])
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(256, 512)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8),
    dict(type='RandomPadCrop', size=320),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
pipeline = dict(
    affinity=dict(
        config='configs/psa/affinity_r38-cls_voc.py', labels=dict(low=2, high=21)),
    mask=dict(alpha=19, log_steps=6, crf='psa_rw'))
