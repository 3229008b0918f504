"""mmseg's data sets and transforms: a resumed segmentation training equals one never killed."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import Runner

import mmwsss.models  # noqa: F401

PIPELINE = [
    dict(type='LoadImageFromFile'), dict(type='LoadPseudoMask'),
    dict(type='RandomChoice', transforms=[
        [dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)] for scale in (1., 1.5)]),
    dict(type='mmseg.RandomCrop', crop_size=(24, 24)),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PhotoMetricDistortion'),
    dict(type='mmseg.PackSegInputs')]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('masks')
    rng = np.random.default_rng(0)
    for kind in ('JPEGImages', 'masks'):
        (folder / kind).mkdir()
    for i in range(7):
        image = rng.integers(0, 256, (32, 40, 3), np.uint8)
        cv2.imwrite(str(folder / f'JPEGImages/p{i}.jpg'), image)
        cv2.imwrite(str(folder / f'masks/p{i}.png'), rng.integers(0, 3, (32, 40), np.uint8))
    return folder


def make_runner(folder, work_dir, workers=0, sampler='InfiniteSampler', batch_size=2, max_iters=10,
                **kwargs):
    return Runner(
        dict(
            type='mmseg.EncoderDecoder',
            data_preprocessor=dict(type='mmseg.SegDataPreProcessor', size=(24, 24)),
            backbone=dict(type='mmseg.ResNet', depth=18, stem_channels=8, base_channels=8,
                          num_stages=1, out_indices=(0, ), strides=(1, ), dilations=(1, )),
            decode_head=dict(type='mmseg.FCNHead', in_channels=8, in_index=0, channels=8,
                             num_convs=1, num_classes=3, dropout_ratio=0.5,
                             loss_decode=dict(type='mmseg.CrossEntropyLoss'))),
        str(work_dir),
        train_dataloader=dict(
            batch_size=batch_size, num_workers=workers, persistent_workers=workers > 0,
            drop_last=True, sampler=dict(type=sampler),
            dataset=dict(type='PseudoMaskDataset', data_root=str(folder), mask_dir='masks',
                         metainfo=dict(classes=('a', 'b')), pipeline=PIPELINE)),
        train_cfg=dict(type='WSSSTrainLoop', max_iters=max_iters),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
        param_scheduler=[dict(type='PolyLR', eta_min=0., power=0.9, end=10, by_epoch=False)],
        default_hooks=dict(
            sampler_seed=dict(type='DistSamplerSeedHook'),
            checkpoint=dict(type='WSSSCheckpointHook', by_epoch=False, interval=5)),
        default_scope='mmwsss', randomness=dict(seed=4), log_level='ERROR',
        experiment_name=str(work_dir), **kwargs)


@pytest.mark.parametrize('sampler', ['InfiniteSampler', 'EpochSampler'])
def test_resumed_equals_never_killed(folder, tmp_path, sampler):
    whole = make_runner(folder, tmp_path / 'whole', sampler=sampler).train()
    resumed = make_runner(
        folder, tmp_path / 'again', workers=2, sampler=sampler, resume=True,
        load_from=str(tmp_path / 'whole/iter_5.pth')).train()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_augmentation_goes_on(folder, tmp_path):
    """All images of an epoch come once, and each epoch draws them anew."""
    loop = make_runner(folder, tmp_path).build_train_loop(
        dict(type='WSSSTrainLoop', max_iters=14))
    batches = [[(sample.img_path, inputs.sum().item())
                for sample, inputs in zip(batch['data_samples'], batch['inputs'])]
               for epoch in range(5) for _, batch in loop.batches.epoch(epoch)]
    assert len(batches) == 15  # of 2, 7 images: 3 batches an "epoch" of the loop
    stream = sum(batches, [])
    for begin in range(0, 28, 7):
        assert len({path for path, _ in stream[begin:begin + 7]}) == 7
    assert len(set(stream)) == len(stream)


def test_a_set_smaller_than_a_batch(folder, tmp_path):
    runner = make_runner(folder, tmp_path, batch_size=9, max_iters=2)
    runner.train()
    assert runner.iter == 2 and runner.train_loop.max_epochs == 2


def test_an_endless_order_has_no_epochs_at_which_the_batch_changes(folder, tmp_path):
    with pytest.raises(ValueError, match='EpochSampler'):
        make_runner(folder, tmp_path).build_train_loop(
            dict(type='WSSSTrainLoop', max_iters=4, batch_size=[(0, 2), (1, 4)]))
