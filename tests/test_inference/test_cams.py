"""CAM files: content, batching by size, resume, sharding, errors."""

import copy
import json
import os
import time

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from mmwsss.datasets.splits import build_image_dataset
from mmwsss.inference import cams as module
from mmwsss.inference import multi_scale_cam
from mmwsss.inference.cams import generate_cams, score_cams, seed_mask
from mmwsss.models.data_preprocessor import WSSSDataPreprocessor
from mmwsss.structures.artifacts import CAMFile, load_cam
from mmwsss.utils.errors import explain


class Model(nn.Module):
    """The CAM of class c is channel c of the image; counts the forward passes."""

    num_classes = 3

    def __init__(self):
        super().__init__()
        self.data_preprocessor = WSSSDataPreprocessor()
        self.batches = []

    def predict_cam(self, images):
        self.batches.append(len(images))
        return images


@pytest.fixture
def config(tmp_path):
    """Five images of two sizes with a square of a class each."""
    rng = np.random.default_rng(0)
    labels = dict(a=['x'], b=['y', 'z'], c=['x', 'y'], d=['z'], e=['y'])
    for sub in ('img', 'seg'):
        (tmp_path / sub).mkdir()
    for i, name in enumerate(labels):
        size = (20, 30) if i % 2 else (24, 16)
        cv2.imwrite(str(tmp_path / 'img' / f'{name}.png'),
                    rng.integers(0, 256, (*size, 3), np.uint8))
        mask = np.zeros(size, np.uint8)
        mask[3:9, 3:9] = 'xyz'.index(labels[name][0]) + 1
        cv2.imwrite(str(tmp_path / 'seg' / f'{name}.png'), mask)
    (tmp_path / 'labels.json').write_text(json.dumps(labels))
    return dict(type='ImageLabelDataset', data_root=str(tmp_path), label_file='labels.json',
                img_dir='img', seg_dir='seg', metainfo=dict(classes=('x', 'y', 'z')))


def test_files_hold_the_multi_scale_cam_of_the_labels(config, tmp_path):
    dataset, model = build_image_dataset(config), Model()
    manifest = generate_cams(model, dataset, tmp_path / 'cams', scales=(0.5, 1), batch_size=2,
                             num_workers=0)
    # Three images of one size make batches of 2 and 1, two of the other one of 2; times 2 for the
    # mirror image, and twice for the scales.
    assert sorted(model.batches) == [2, 2, 4, 4, 4, 4]
    assert [record['name'] for record in manifest] == list('abcde')
    assert manifest[1]['classes'] == [1, 2] and manifest[1]['size'] == [20, 30]
    sample = dataset[1]
    images = model.data_preprocessor(dict(inputs={'image': [sample['inputs']['image']]}))
    labels = torch.tensor([[0., 1, 1]])
    expected = multi_scale_cam(model, images['inputs']['image'], labels, (0.5, 1), True)[0, 1:]
    with np.load(tmp_path / 'cams' / 'b.npz', allow_pickle=False) as file:
        assert file['cam'].dtype == np.float16 and file['keys'].tolist() == [1, 2]
        np.testing.assert_allclose(file['cam'], expected.numpy(), atol=2e-3)
    lines = (tmp_path / 'cams' / 'manifest.jsonl').read_text().splitlines()
    assert [json.loads(line) for line in lines] == manifest


def test_stride(config, tmp_path):
    generate_cams(Model(), build_image_dataset(config), tmp_path / 'cams', scales=(1, ), stride=4,
                  num_workers=0)
    with np.load(tmp_path / 'cams' / 'b.npz') as file:
        assert file['cam'].shape == (2, 5, 8) and file['size'].tolist() == [20, 30]


def test_stride_by_the_number_of_images(config, tmp_path, monkeypatch):
    """Small data sets at full size, large ones at stride 4."""
    dataset = build_image_dataset(config)
    for limit, shape in ((5, (2, 20, 30)), (4, (2, 5, 8))):
        monkeypatch.setattr(module, 'AUTO_STRIDE_IMAGES', limit)
        out = tmp_path / str(limit)
        generate_cams(Model(), dataset, out, scales=(1, ), stride='auto', num_workers=0)
        with np.load(out / 'b.npz') as file:
            assert file['cam'].shape == shape and file['size'].tolist() == [20, 30]


def test_large_images_are_kept_at_the_limit(config, tmp_path):
    generate_cams(Model(), build_image_dataset(config), tmp_path / 'cams', scales=(1, ),
                  max_side=15, num_workers=0)
    cam, keys, size, _ = module.load_cam(tmp_path / 'cams' / 'b.npz')
    assert cam.shape == (2, 10, 15) and size == (20, 30)
    assert seed_mask(CAMFile(cam, keys, size), 0.3).shape == (20, 30)


def test_a_run_that_was_cut_off_makes_only_what_is_missing(config, tmp_path):
    dataset, out = build_image_dataset(config), tmp_path / 'cams'
    first = generate_cams(Model(), dataset, out, scales=(1, ), num_workers=0)
    (out / 'c.npz').unlink()
    kept = (out / 'a.npz').stat().st_mtime_ns
    model = Model()
    assert generate_cams(model, dataset, out, scales=(1, ), num_workers=0) == first
    assert model.batches == [2] and (out / 'a.npz').stat().st_mtime_ns == kept
    generate_cams(model, dataset, out, scales=(1, ), num_workers=0, overwrite=True)
    assert len(model.batches) == 6


def test_records_are_made_once(config, tmp_path, monkeypatch):
    """Of each file when it is written; those of files that are kept come from the manifest."""
    read, record = [], module.cam_record
    monkeypatch.setattr(module, 'cam_record', lambda folder, name: read.append(name) or record(
        folder, name))
    dataset, out = build_image_dataset(config), tmp_path / 'cams'

    def call(**options):
        read.clear()
        return generate_cams(Model(), dataset, out, scales=(1, ), num_workers=0, **options)

    whole = call()
    assert read == list('abcde')
    later = time.time_ns() + 10**7  # whatever the clock's step
    os.utime(out / 'manifest.jsonl', ns=(later, later))
    assert call() == whole and not read
    (out / 'c.npz').unlink()
    assert call() == whole and read == ['c']
    stamp = (out / 'manifest.jsonl').stat().st_mtime_ns + 10**9
    os.utime(out / 'b.npz', ns=(stamp, stamp))  # by a call that was cut off
    assert call() == whole and 'b' in read
    assert call(overwrite=True) == whole and read == list('abcde')


def test_records_of_other_ranks_are_gathered(config, tmp_path, monkeypatch):
    dataset, parts, read, record = build_image_dataset(config), [], [], module.cam_record
    monkeypatch.setattr(module, 'cam_record', lambda folder, name: read.append(name) or record(
        folder, name))
    monkeypatch.setattr(module, 'all_gather_object',
                        lambda part: parts.append(copy.deepcopy(part)) or parts)
    for rank in range(2):
        monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, 2))
        monkeypatch.setattr(module, 'is_main_process', lambda rank=rank: rank == 1)
        manifest = generate_cams(Model(), dataset, tmp_path / 'c', scales=(1, ), num_workers=0)
    assert read == list('acebd')
    assert [sorted(made) for made, _ in parts] == [list('ace'), list('bd')]
    assert [record['name'] for record in manifest] == list('abcde')


def test_ranks_share_the_images(config, tmp_path, monkeypatch):
    seen = []
    for rank in range(2):
        monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, 2))
        monkeypatch.setattr(module, 'cam_record', lambda *args: {})
        out = tmp_path / str(rank)
        generate_cams(Model(), build_image_dataset(config), out, scales=(1, ), num_workers=0)
        seen.append(sorted(path.stem for path in out.glob('*.npz')))
    assert seen == [['a', 'c', 'e'], ['b', 'd']]


def test_training_mode_comes_back(config, tmp_path):
    model = Model().train()
    generate_cams(model, build_image_dataset(config), tmp_path / 'c', scales=(1, ), num_workers=0)
    assert model.training


def test_errors_name_the_image_or_file(config, tmp_path):
    with pytest.raises(ValueError, match='stride=0'):
        generate_cams(Model(), build_image_dataset(config), tmp_path / 'c', stride=0)
    unlabelled = build_image_dataset(dict(config, label_file=None, test_mode=True))
    with pytest.raises(ValueError, match='"a" has no image label'):
        generate_cams(Model(), unlabelled, tmp_path / 'c', scales=(1, ), num_workers=0)
    assert not list((tmp_path / 'c').glob('*.npz'))
    out = tmp_path / 'd'
    generate_cams(Model(), build_image_dataset(config), out, scales=(1, ), num_workers=0)
    (out / 'b.npz').write_bytes(b'PK')
    stamp = (out / 'manifest.jsonl').stat().st_mtime_ns + 10**9
    os.utime(out / 'b.npz', ns=(stamp, stamp))
    with pytest.raises(ValueError, match=r'b\.npz is not a CAM file.*delete it'):
        generate_cams(Model(), build_image_dataset(config), out, scales=(1, ), num_workers=0)


def test_seed_and_scores(config, tmp_path):
    dataset = build_image_dataset(config, masks=True)
    out = tmp_path / 'cams'
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        gt = cv2.imread(info['seg_map_path'], cv2.IMREAD_GRAYSCALE)
        keys = np.array(info['labels'])
        module.save_cam(out / f'{info["name"]}.npz', 0.9 * (gt[None] == keys[:, None, None] + 1),
                        keys, gt.shape)
    scores = score_cams(dataset, out, held_out=0)
    # Perfect wherever the image's square has its first class.
    assert scores['mIoU@oracle'] == pytest.approx(100)
    cam = np.array([[[.2, .5]], [[.4, .1]]], np.float16)
    mask = seed_mask(CAMFile(cam, np.array([0, 2]), (1, 2)), 0.3)
    assert mask.tolist() == [[3, 1]]


def test_background_of_the_network_is_kept(config, tmp_path):
    """A model that scores the background itself (SIPE): CAM files hold it, and masks use it."""

    class Own(Model):
        own_background = True

        def predict_scores(self, images, flip):
            images = images[:len(images) // 2] if flip else images
            return torch.cat([images.mean(1, keepdim=True), images], dim=1).relu()

    dataset = build_image_dataset(config)
    generate_cams(Own(), dataset, tmp_path / 'c', scales=(1, ), num_workers=0)
    inputs = Own().data_preprocessor(
        dict(inputs={'image': [dataset[1]['inputs']['image']]}))['inputs']['image'][0]
    score = inputs.mean(0).relu()
    path = tmp_path / 'c' / 'b.npz'
    file = load_cam(path)
    np.testing.assert_allclose(file.background, score / (score.max() + 1e-5), atol=2e-3)
    stack = np.concatenate([file.background[None], file.cam]).astype(np.float32)
    expected = np.array([0, 2, 3])[stack.argmax(0)]
    assert (seed_mask(file) == expected).all()


@pytest.mark.parametrize(('batch_size', 'workers'), [(1, 0), (2, 2)])
def test_a_damaged_image_does_not_stop_the_others(config, tmp_path, batch_size, workers):
    dataset, out = build_image_dataset(config), tmp_path / 'cams'
    options = dict(scales=(1, ), batch_size=batch_size, num_workers=workers)
    whole = generate_cams(Model(), dataset, tmp_path / 'whole', **options)
    good = {name: (tmp_path / 'img' / f'{name}.png').read_bytes() for name in 'bc'}
    (tmp_path / 'img' / 'b.png').write_bytes(good['b'][:70])
    (tmp_path / 'img' / 'c.png').write_bytes(b'no image')
    with pytest.raises(RuntimeError, match=r'2 images failed.*"[bc]".*"[bc]".*failed\.json') as e:
        generate_cams(Model(), dataset, out, **options)
    assert explain(e.value).startswith('2 images failed')  # one line
    failed = json.loads((out / 'failed.json').read_text())
    assert set(failed) == set('bc') and 'b.png' in failed['b'] and 'c.png' in failed['c']
    assert sorted(path.stem for path in out.glob('*.npz')) == list('ade')
    assert not (out / 'manifest.jsonl').exists()

    for name, content in good.items():
        (tmp_path / 'img' / f'{name}.png').write_bytes(content)
    model = Model()
    assert generate_cams(model, dataset, out, **options) == whole
    assert sum(model.batches) == 2 * 2 and not (out / 'failed.json').exists()
