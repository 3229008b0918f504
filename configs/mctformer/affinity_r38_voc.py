# AffinityNet of MCTformer: 5 epochs from the weights of PSA's VOC classifier.
_base_ = '../psa/affinity_r38-cls_voc.py'

train_cfg = dict(max_epochs=5)
