# What all segmentation models here share; a model's own file has the rest.
#
# num_classes counts the background, as everywhere in mmseg. The default scope is mmwsss, so parts
# of mmseg carry its name, also within other parts ('mmseg.CrossEntropyLoss').
model = dict(
    type='MSCEncoderDecoder',
    data_preprocessor=dict(
        type='mmseg.SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(321, 321),
        pad_val=0,
        seg_pad_val=255),
    train_cfg=dict(),
    # Testing at several scales and with CRF: see ../../deeplab/deeplabv2_r101_voc_msc-crf.py
    test_cfg=dict(mode='whole'))
