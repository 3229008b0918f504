# SEAM's augmentation, also PPC's. The originals jitter the whole image, before the crop, so that
# contrast is about its mean, not that of the crop.
augmentation = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(448, 768)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=448),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PackWSSSInputs'),
]
