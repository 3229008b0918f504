# DeepLabV2 for a CPU: three stages of a narrow ResNet-18 at output stride 8, from scratch (hence
# AdamW, which gets further than SGD in a few hundred steps).
_base_ = './segmentor.py'

model = dict(
    data_preprocessor=dict(size=(128, 128)),
    backbone=dict(
        type='mmseg.ResNet',
        depth=18,
        num_stages=3,
        stem_channels=16,
        base_channels=16,
        out_indices=(2,),
        strides=(1, 2, 1),
        dilations=(1, 1, 2),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
        init_cfg=None),
    decode_head=dict(
        type='DeepLabV2Head', in_channels=64, in_index=0, num_classes=21, dilations=(1, 2, 4, 6)))

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-2))
