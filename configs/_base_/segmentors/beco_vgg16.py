# Two DeepLab-LargeFOV on VGG16 that BECO trains together. KTSE states no rate for it; without batch
# norm, ours is 0.01 for the new layers alone.
_base_ = './deeplabv1_vgg16.py'

model = dict(type='BECOSegmentor', data_preprocessor=dict(size=(512, 512)))

optim_wrapper = dict(
    optimizer=dict(weight_decay=1e-4),
    paramwise_cfg=dict(new_layers=(
        'backbone.fc6', 'backbone.fc7', 'decode_head', 'peer.backbone.fc6', 'peer.backbone.fc7',
        'peer.decode_head')))
