# EADER without attention mining: the row that eader_voc6.py is compared with.
_base_ = './eader_voc6.py'

model = dict(modules=[dict(type='AdversarialErasing', alpha=0., beta=1e-5)])
pipeline = dict(baseline=None)
