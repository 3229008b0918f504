# IRNet on a frozen ImageNet ResNet-50 at output stride 16. Only the boundary branch, which is all
# that semantic masks need; displacement=True adds the branch for instances (nothing is shared).
model = dict(
    type='IRNet',
    data_preprocessor=dict(
        type='WSSSDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=50,
        strides=(1, 2, 2, 1),
        out_indices=(0, 1, 2, 3),
        frozen_stages=4,
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    in_channels=(64, 256, 512, 1024, 2048),
    stem='maxpool',
    displacement=False,
    radius=10,
    crop_size=512)
