# 5 colour operation(s) in the strong view. Published seed: 74.3 (3: 74.5).
_base_ = './fsae_ppc-eps_r38_voc.py'

*geometry, strong, jitter, pack = _base_.train_dataloader.dataset.pipeline
strong = dict(strong, num_ops=5)
train_dataloader = dict(dataset=dict(pipeline=[*geometry, strong, jitter, pack]))
