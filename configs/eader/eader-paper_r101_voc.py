# EADER as its paper's equations read: mining on logits, sums over an image's classes divided by C,
# attention scaled by its maximum only. The published numbers come from the code, which differs.
_base_ = './eader_r101_voc.py'

model = dict(modules=[
    dict(
        type='AdversarialErasing',
        alpha=0.05,
        beta=1e-5,
        norm='max',
        mining='logit',
        average='classes')
])
