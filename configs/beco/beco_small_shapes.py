# BECO co-training of two small DeepLabV2 on Shapes: 400 steps of batch 16, 50 of them warm-up. Ids
# of 255 in the masks are what the models label for each other.
_base_ = '../deeplab/deeplabv2_small_shapes.py'

model = dict(type='BECOSegmentor')
custom_hooks = [dict(type='CoTrainingHook', warm_up=50, by_epoch=False)]
