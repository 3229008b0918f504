# CSD with plain copy-paste, the source drawn without regard to co-occurrence. Published seed: 63.1.
_base_ = './csd_mctformer_deit-s_voc.py'

view = dict(_base_.train_dataloader.dataset.views[0], pairing='uniform')
train_dataloader = dict(dataset=dict(views=[view]))
