# MCTformer's training (DeiT's): 60 epochs, AdamW, rate 5e-4 * batch / 512 with batch 64, cosine to
# 1e-5 over all of them, of which the first 5 warm up from 1e-6, one rate per epoch (timm's rule),
# mixed precision on a GPU (tools/train.py --amp).
train_cfg = dict(type='WSSSTrainLoop', max_epochs=60, val_interval=None)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=5e-4 * 64 / 512, weight_decay=0.05),
    paramwise_cfg=dict(
        bias_decay_mult=0.,
        norm_decay_mult=0.,
        flat_decay_mult=0.,
        custom_keys={'cls_token': dict(decay_mult=0.), 'pos_embed': dict(decay_mult=0.)}))
param_scheduler = [
    dict(type='WarmupCosineLR', warmup=5, warmup_lr=1e-6, eta_min=1e-5)
]
