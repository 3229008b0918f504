# PSA as EADER's baseline, scored on VOC *val*. Published there: CAM 46.8, after AffinityNet and
# random walk 58.7; DeepLabV3+ on Xception-65 60.7.
_base_ = '../psa/psa_r38_voc.py'

val_dataloader = dict(dataset=dict(ann_file='ImageSets/Segmentation/val.txt'))
test_dataloader = val_dataloader
pipeline = dict(segment=dict(config='configs/deeplab/deeplabv3plus_x65_voc.py'))
