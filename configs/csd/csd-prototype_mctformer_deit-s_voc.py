# CSD with the details of its first author's unfinished prototype, in the losses, the weights of the
# pixels and the pairing; the weights of the losses are the paper's (the prototype's default is 1).
_base_ = './csd_mctformer_deit-s_voc.py'

model = dict(modules=[dict(_base_.csd, variant='prototype')])
view = dict(_base_.train_dataloader.dataset.views[0], pairing='prototype', target='all')
train_dataloader = dict(dataset=dict(views=[view]))
