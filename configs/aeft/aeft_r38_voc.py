# AEFT (ECCV 2022) on ResNet38. Published on VOC train: seed 56.0 (56.2 with the released weights).
_base_ = ['../ktse/gpp_r38_voc.py', '../_base_/refiners/psa.py']

# The released code goes from batch 8 to 32 and then classifies only the first 8 of each batch.
begin = 18
train_cfg = dict(batch_size=[(0, 8), (begin, 32)])
model = dict(modules=[
    dict(
        type='AdversarialErasingTriplet',
        threshold=0.6,
        attract_weight=0.2,
        repulse_weight=0.15,
        region_threshold=0.2,
        margin=0.5,
        begin=begin)
])
pipeline = dict(
    affinity=dict(labels=dict(low=2, high=21)),
    mask=dict(alpha=19, log_steps=6, crf='psa_rw'))
