# The plain CAM refined as in IRN: IRNet learns class boundaries, the scores walk within them.
_base_ = './gap_mobilenet.py'

pipeline = dict(
    affinity=dict(
        config='projects/voc_animals/configs/irnet_mobilenet.py',
        labels=dict(type='IRLabel', fg=0.30, bg=0.10)),
    mask=dict(_delete_=True, type='IRNMask', bg=0.36, beta=10, log_steps=6),
    segment=None)
