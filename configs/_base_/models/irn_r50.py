# IRN's CAM classifier: ResNet-50 at output stride 16, all batch norms fixed. The original cuts the
# graph after layer 2, so nothing up to there learns; freezing those stages is the same and cheaper.
model = dict(
    type='WSSSClassifier',
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=50,
        strides=(1, 2, 2, 1),
        out_indices=(3, ),
        frozen_stages=2,
        norm_eval=True,
        style='pytorch',
        # The first ImageNet weights of torchvision (V1), downloaded once.
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    head=dict(type='GAPHead', num_classes=20, in_channels=2048),
    modules=[])
