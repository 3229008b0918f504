# The plain CAM refined as in IRN: IRNet learns class boundaries, the scores walk within them.
_base_ = './gap_voc6.py'

pipeline = dict(
    affinity=dict(
        config='projects/voc_animals/configs/irnet_voc6.py',
        labels=dict(type='IRLabel', fg=0.30, bg=0.10)),
    mask=dict(_delete_=True, type='IRNMask', bg='oracle', beta=10, log_steps=6),
    segment=None)
