# cam_voc6.py on a backbone from outside the package, registered by custom_imports.
_base_ = './cam_voc6.py'
custom_imports = dict(imports=['projects.voc_animals.mobilenet'], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type='MobileNetV1',
        width=0.75,
        output_stride=16,
        frozen_blocks=2,
        init_cfg=dict(
            type='Pretrained', checkpoint='pretrain/mobilenet_v1_075_imagenet.pth')),
    head=dict(in_channels=768))
