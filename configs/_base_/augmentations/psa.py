# PSA's augmentation, also that of EADER in PSA.
augmentation = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(256, 512)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='RandomPadCrop', size=448),
    dict(type='PackWSSSInputs'),
]
