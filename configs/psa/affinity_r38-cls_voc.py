# AffinityNet from the weights of PSA's VOC classifier, not of ImageNet, as AEFT trains it. Get
# res38_cls.pth (linked in the READMEs of PSA and MCTformer) and convert it with
#   python tools/model_converters/resnet38d_to_mmwsss.py DOWNLOADED pretrain/res38_cls.pth
_base_ = './affinity_r38_voc.py'

model = dict(backbone=dict(init_cfg=dict(checkpoint='pretrain/res38_cls.pth')))
