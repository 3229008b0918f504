# FSAE on PPC with EPS, COCO 2014, with the numbers of the prototype's script: 5 operations and
# 513,000 x 2 steps.
_base_ = './fsae_ppc-eps_r38_coco.py'

*geometry, strong, jitter, pack = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(
    dataset=dict(pipeline=[*geometry, dict(strong, num_ops=5), jitter, pack]))

train_cfg = dict(max_iters=1026000)
