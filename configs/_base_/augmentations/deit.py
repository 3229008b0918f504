# DeiT's augmentation as MCTformer uses it: random resized crops of 224, RandAugment m9-mstd0.5-inc1
# (with which timm leaves its colour jitter out), random erasing with probability .25.
augmentation = [
    dict(type='LoadImage'),
    dict(type='RandomResizedCrop', size=224, interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandAugment',
        _scope_='mmpretrain',  # so that it finds its operations
        policies='timm_increasing',
        num_policies=2,
        total_level=10,
        magnitude_level=9,
        magnitude_std=0.5,
        hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic')),
    dict(
        type='mmpretrain.RandomErasing',
        erase_prob=0.25,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        fill_color=[103.53, 116.28, 123.675],
        fill_std=[57.375, 57.12, 58.395]),
    dict(type='PackWSSSInputs'),
]
