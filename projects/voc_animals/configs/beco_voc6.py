# BECO: two DeepLabV2 as in deeplabv2_voc6.py that teach each other, on masks with 255 where
# these are not reliable (a refiner's keep=0.5). A third of the steps is warm-up.
_base_ = './deeplabv2_voc6.py'

model = dict(type='BECOSegmentor')
warm_up = _base_.train_cfg.max_iters // 3
custom_hooks = [dict(type='CoTrainingHook', warm_up=warm_up, by_epoch=False)]
