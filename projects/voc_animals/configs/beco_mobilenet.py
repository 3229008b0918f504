# BECO: two DeepLabV2 as in deeplabv2_mobilenet.py that teach each other, on masks with 255 where they
# are not reliable (a refiner's keep=0.5). A third of the steps is warm-up.
_base_ = './deeplabv2_mobilenet.py'

model = dict(type='BECOSegmentor')
custom_hooks = [dict(type='CoTrainingHook', warm_up=_base_.train_cfg.max_iters // 3, by_epoch=False)]
