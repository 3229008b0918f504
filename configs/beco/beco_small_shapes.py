# BECO co-training of two small DeepLabV2 on Shapes: 150 steps of batch 16. Half of them are
# warm-up, since models from scratch are sure of background only before they know the objects.
_base_ = '../deeplab/deeplabv2_small_shapes.py'

model = dict(type='BECOSegmentor')
custom_hooks = [dict(type='CoTrainingHook', warm_up=75, by_epoch=False)]
