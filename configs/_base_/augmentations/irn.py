# IRN's augmentation, also SIPE's.
augmentation = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(320, 640)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=512),
    dict(type='PackWSSSInputs'),
]
