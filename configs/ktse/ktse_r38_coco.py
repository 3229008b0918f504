# KTSE on COCO 2014. There is no code for it and the paper's "40 epochs" are those of the
# segmentation model; the classifier is trained as on VOC, also for 40 epochs.
# Published on COCO val: 45.9 (BECO, R101), 37.2 (VGG16: ktse_r38_coco_vgg16.py).
_base_ = [
    '../_base_/models/ktse_r38.py',
    '../_base_/datasets/coco14_wsss.py',
    '../_base_/schedules/poly_40e.py',
    '../_base_/refiners/irn.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=80))
train_cfg = dict(batch_size=[(0, 8), (_base_.begin, 16)])
train_dataloader = dict(dataset=dict(views=[dict(type='PairedView', begin=_base_.begin)]))
pipeline = dict(
    baseline='configs/ktse/gpp_r38_coco.py',
    cam=dict(scales=(0.5, 1., 1.5, 2.), flip=True, relu='flip'),
    affinity=dict(config='configs/irn/irnet_r50_coco.py', labels=dict(bg=0.10)),
    mask=dict(keep=0.5),
    segment=dict(config='configs/beco/beco_r101_coco_msc-crf.py'))
