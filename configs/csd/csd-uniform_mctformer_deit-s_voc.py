# CSD with plain copy-paste, the source drawn without regard to co-occurrence. Published seed: 63.1.
_base_ = './csd_mctformer_deit-s_voc.py'

train_dataloader = dict(dataset=dict(pairing='uniform'))
