# AffinityNet on ResNet38d. It learns from the scores that
#   python tools/generate_masks.py CLASSIFIER --cams DIR --out SCORES_DIR --refine affinity
# makes (give prior_dir), and refines with --refine psa. The pipeline does all of this by itself.
# Trained with schedules/poly.py at rate .01, as by all who use ResNet38 (PSA's default .1 is for
# VGG).
model = dict(
    type='AffinityNet',
    backbone=dict(
        type='ResNet38d',
        out_indices=(4, 5, 6),
        drop_rates=(0.3, 0.5),
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet38d_imagenet.pth')),
    in_channels=(512, 1024, 4096),
    channels=(64, 128, 256),
    radius=5)
augmentation = [
    dict(type='LoadImage'),
    dict(type='LoadAffinityScores'),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='RandomPadCrop', size=448),
    dict(type='RandomFlip', prob=0.5),
    dict(type='AffinityLabels', stride=8),
    dict(type='PackWSSSInputs'),
]
affinity_loader = dict(
    batch_size=8,
    dataset=dict(prior_dir='affinity_scores', prior_suffix='.npz', pipeline=augmentation))
