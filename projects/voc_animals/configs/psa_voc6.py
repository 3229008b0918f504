# The plain CAM refined as in PSA: AffinityNet learns from two CRFs, the scores walk along its
# affinities.
_base_ = './gap_voc6.py'

pipeline = dict(
    affinity=dict(
        config='projects/voc_animals/configs/affinity_voc6.py',
        labels=dict(type='AffinityScores', low=4, high=32, preset='psa')),
    mask=dict(_delete_=True, type='PSAMask', bg='oracle', beta=8, log_steps=6),
    segment=None)
