# PSA: AffinityNet learns from two CRFs of the CAM, and the scores walk along its affinities.
# Methods differ in the exponents: 4/32 and 16 in PSA; SEAM 4/24 and 6; AEFT 2/21 and 19;
# MCTformer 1/12 and the constant 0.39. All but PSA itself walk 2^6 steps.
pipeline = dict(
    affinity=dict(
        config='configs/psa/affinity_r38_voc.py',
        labels=dict(type='AffinityScores', low=4, high=32, preset='psa')),
    mask=dict(type='PSAMask', alpha=16, beta=8, log_steps=8))
