import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.inference import masks as stage
from mmwsss.inference.masks import generate_masks, refiner_config
from mmwsss.models.refiners import make_crf
from mmwsss.models.refiners.mask_refiners import reliable_pixels, with_background
from mmwsss.models.refiners.random_walk import fitting_radius, pool_scores
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import read_mask

ROOT = Path(__file__).parents[2]
R38 = dict(type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6), norm_eval=False, frozen_stages=-1)
PSA_NET = dict(type='AffinityNet', backbone=R38, in_channels=(16, 32, 128), channels=(4, 6, 8))
IRN_NET = dict(
    type='IRNet', in_channels=(16, 16, 32, 64, 128), crop_size=64,
    backbone=dict(type='mmpretrain.ResNet', depth=18, base_channels=16, stem_channels=16,
                  strides=(1, 2, 2, 1), out_indices=(0, 1, 2, 3)))
NAMES = ('a', 'b', 'c', 'd')
KEYS = dict(a=[1], b=[0, 2], c=[2], d=[])


@pytest.fixture
def folder(tmp_path):
    """Four images with a square of another colour, ground truth, and CAMs of half the size."""
    rng = np.random.default_rng(0)
    for sub in ('img', 'seg', 'cam'):
        (tmp_path / sub).mkdir()
    for name, keys in KEYS.items():
        h, w = 48 + 2 * len(keys), 60
        image, mask = rng.integers(0, 6, (h, w, 3)).astype(np.uint8), np.zeros((h, w), np.uint8)
        cam = np.full((len(keys), h // 2, w // 2), 0.12, np.float16)
        for i, key in enumerate(keys):
            box = (slice(10, 34), slice(5 + 26 * i, 27 + 26 * i))
            image[box] += np.array([200, 100, 40 * key], np.uint8)
            mask[box] = key + 1
            cam[i, 6:15, 4 + 12 * i:12 + 12 * i] = 0.9  # less than the object
        cv2.imwrite(str(tmp_path / 'img' / f'{name}.png'), image)
        Image.fromarray(mask).save(tmp_path / 'seg' / f'{name}.png')
        np.savez(tmp_path / 'cam' / f'{name}.npz', cam=cam, keys=np.array(keys, int),
                 size=np.array([h, w]))
    (tmp_path / 'labels.json').write_text(json.dumps({n: KEYS[n] for n in NAMES[:3]}))
    (tmp_path / 'list.txt').write_text('\n'.join(NAMES[:3]) + '\n')
    return tmp_path


def records(folder):
    return [dict(name=name, img_path=str(folder / 'img' / f'{name}.png')) for name in NAMES]


def loaded(folder, name):
    image = cv2.imread(str(folder / 'img' / f'{name}.png'))
    with np.load(folder / 'cam' / f'{name}.npz') as file:
        return image, file['cam'], file['keys']


def checkpoint(folder, model):
    torch.manual_seed(0)
    path = folder / f'{model["type"]}.pth'
    torch.save(dict(state_dict=MODELS.build(model).state_dict()), path)
    return str(path)


def iou(folder, out, names=NAMES):
    pred = np.concatenate([read_mask(out / f'{name}.png').ravel() for name in names])
    true = np.concatenate([read_mask(folder / 'seg' / f'{name}.png').ravel() for name in names])
    ids = np.unique(true)
    return np.mean([((pred == i) & (true == i)).sum() / ((pred == i) | (true == i)).sum()
                    for i in ids])


# -- refiners --------------------------------------------------------------------------------------
def test_with_background():
    cam = np.array([[[0.2, 1.]], [[0.5, 0.]]])
    np.testing.assert_allclose(with_background(cam, 0.3)[0], [[0.3, 0.3]])
    np.testing.assert_allclose(with_background(cam, alpha=3)[0], [[0.5**3, 0]], atol=1e-7)


def test_reliable_pixels():
    scores = np.array([[[.9, .6, .5, .1, .2]], [[.1, .4, .45, .9, .5]]])
    # Class 0: margins .8, .2, .05; class 1: .8, .3
    assert reliable_pixels(scores, 0.5).tolist() == [[True, True, False, True, False]]
    assert reliable_pixels(scores, 1).all()


def test_pool_scores_and_radius():
    scores = torch.rand(2, 13, 16)
    pooled, stride = pool_scores(scores, (2, 2))
    padded = np.pad(scores.numpy(), ((0, 0), (0, 3), (0, 0)))
    assert stride == 8
    np.testing.assert_allclose(pooled, padded.reshape(2, 2, 8, 2, 8).mean((2, 4)), rtol=1e-5)
    assert fitting_radius(5, (5, 9)) == 5 and fitting_radius(5, (8, 8)) == 4
    assert fitting_radius(5, (2, 9)) == 2 and fitting_radius(5, (3, 1)) == 1


def test_threshold(folder):
    image, cam, keys = loaded(folder, 'b')
    mask = MODELS.build(refiner_config('none', dict(bg=0.4)))(image, cam, keys)
    full = torch.nn.functional.interpolate(
        torch.tensor(cam).float()[None], image.shape[:2], mode='bilinear')[0].numpy()
    expected = np.where(full.max(0) > 0.4, np.array([1, 3])[full.argmax(0)], 0)
    assert (mask == expected).all() and mask.dtype == np.uint8


def test_crf_equals_doing_it_by_hand(folder):
    image, cam, keys = loaded(folder, 'b')
    cam = np.kron(cam, np.ones((1, 2, 2)))
    mask = MODELS.build(refiner_config('crf', dict(alpha=4)))(image, cam, keys)
    prob = np.concatenate([(1 - cam.max(0, keepdims=True))**4, cam])
    expected = np.array([0, 1, 3])[make_crf('psa')(image, prob).argmax(0)]
    assert (mask == expected).all()


def test_ir_label_and_affinity_scores(folder):
    image, cam, keys = loaded(folder, 'a')
    label = MODELS.build(refiner_config('ir_label', dict(bg=0.15)))(image, cam, keys)
    assert set(np.unique(label)) <= {0, 2, 255} and (label == 2).any() and (label == 0).any()
    result = MODELS.build(refiner_config('affinity'))(image, cam, keys)
    assert result['scores'].shape == (2, 2, *image.shape[:2]) and result['keys'].tolist() == [1]
    much, little = result['scores'][:, 0].astype(float)
    assert much.sum() > little.sum()  # small alpha, more background


@pytest.mark.parametrize('name', ['psa', 'irn'])
def test_networks(folder, name):
    model = dict(psa=PSA_NET, irn=IRN_NET)[name]
    config = refiner_config(name, dict(model=model, checkpoint=checkpoint(folder, model), keep=0.5,
                                       device='cpu'))
    refiner = MODELS.build(config)
    image, cam, keys = loaded(folder, 'b')
    scores = refiner.scores(image, np.kron(cam, np.ones((1, 2, 2), np.float32)))
    assert scores.shape == (3, *image.shape[:2])
    mask = refiner(image, cam, keys)
    assert set(np.unique(mask)) <= {0, 1, 3, 255} and (mask == 255).any()
    if name == 'irn':
        assert scores[0].min() == scores[0].max() == np.float32(0.25)
        assert 0.9 < scores[1:].max() <= 1


def dense_walk(scores, affinity):
    """``scores @ T^256``, the column-normalised matrix squared 8 times."""
    matrix = affinity / affinity.sum(0, keepdims=True)
    for _ in range(8):
        matrix = matrix @ matrix
    return (scores.reshape(len(scores), -1) @ matrix).reshape(scores.shape)


def enlarge(scores, factor, size):
    scores = torch.nn.functional.interpolate(
        torch.tensor(scores)[None], scale_factor=factor, mode='bilinear', align_corners=False)
    return scores[0, :, :size[0], :size[1]].numpy()


def test_psa_as_in_the_original(folder):
    """Padding, pooling, dense walk and enlarging, on given features."""
    refiner = MODELS.build(refiner_config('psa', dict(
        model=PSA_NET, checkpoint=checkpoint(folder, PSA_NET), device='cpu')))
    rng = np.random.default_rng(0)
    h, w, rows, columns = 76, 85, 10, 11
    features = rng.normal(size=(5, rows, columns))
    refiner.model.extract = lambda x: torch.tensor(features)[None]
    cam = rng.random((2, h, w))
    out = refiner.scores(np.zeros((h, w, 3), np.uint8), cam)

    stack = np.pad(np.concatenate([(1 - cam.max(0, keepdims=True))**16, cam]),
                   ((0, 0), (0, rows * 8 - h), (0, columns * 8 - w)))
    stack = stack.reshape(3, rows, 8, columns, 8).mean((2, 4))
    affinity = np.eye(rows * columns)
    for y in range(rows - 4):
        for x in range(4, columns - 4):
            for dy in range(5):
                for dx in range(-4, 5):
                    if dy * dy + dx * dx < 25 and (dy > 0 or dx > 0):
                        i, j = y * columns + x, (y + dy) * columns + x + dx
                        a = np.exp(-np.abs(features[:, y, x] - features[:, y + dy, x + dx]).mean())
                        affinity[i, j] = affinity[j, i] = a
    expected = enlarge(dense_walk(stack, affinity**8), 8, (h, w))
    assert (out.argmax(0) == expected.argmax(0)).all()
    np.testing.assert_allclose(out, expected, rtol=1e-4)


def test_irn_as_in_the_original(folder):
    refiner = MODELS.build(refiner_config('irn', dict(
        model=IRN_NET, checkpoint=checkpoint(folder, IRN_NET), device='cpu')))
    rng = np.random.default_rng(0)
    h, w, rows, columns = 38, 45, 10, 12
    edge = rng.random((rows, columns))**3
    refiner.model.predict_edge = lambda x: torch.tensor(edge)[None]
    cam = rng.random((2, h, w)).astype(np.float32)
    out = refiner.scores(np.zeros((h, w, 3), np.uint8), cam)

    small = torch.nn.functional.interpolate(
        torch.tensor(cam)[None], (rows, columns), mode='bilinear')[0].numpy()
    affinity = np.eye(rows * columns)
    for y in range(rows):
        for x in range(columns):
            for dy in range(5):
                for dx in range(-4, 5):
                    if (0 < dy * dy + dx * dx < 25 and (dy > 0 or dx > 0) and y + dy < rows
                            and 0 <= x + dx < columns):
                        path = [edge[y + a, x + b] for a in range(dy + 1)
                                for b in range(min(dx, 0), max(dx, 0) + 1)
                                if (dy * b - dx * a)**2 < dy * dy + dx * dx]
                        i, j = y * columns + x, (y + dy) * columns + x + dx
                        affinity[i, j] = affinity[j, i] = 1 - max(path)
    walked = enlarge(dense_walk(small * (1 - edge), affinity**10), 4, (h, w))
    expected = np.concatenate([np.full((1, h, w), 0.25), walked / walked.max()])
    assert (out.argmax(0) == expected.argmax(0)).all()
    np.testing.assert_allclose(out, expected, rtol=1e-4)


def test_options():
    assert 'alpha' not in refiner_config('psa', dict(bg=0.39))
    changed = dict(psa=dict(alpha=4, beta=5))  # of a config, under the options
    found = refiner_config('psa', dict(bg=0.39), changed=changed)
    assert 'alpha' not in found and (found['bg'], found['beta']) == (0.39, 5)
    assert refiner_config('psa', changed=changed)['alpha'] == 4
    with pytest.raises(ValueError, match='no refiner "x"'):
        refiner_config('x')
    with pytest.raises(ValueError, match='--checkpoint'):
        MODELS.build(refiner_config('irn', dict(model=IRN_NET)))
    with pytest.raises(ValueError, match='either bg'):
        MODELS.build(dict(type='ThresholdMask', bg=0.1, alpha=2))
    with pytest.raises(ValueError, match='keep=2'):
        MODELS.build(dict(type='ThresholdMask', bg=0.1, keep=2))


# -- the stage -------------------------------------------------------------------------------------
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('name', ['crf', 'par'])
def test_stage_gains(folder, name, workers):
    generate_masks(records(folder), folder / 'cam', folder / 'seed', refiner_config('none'))
    report = generate_masks(
        records(folder), folder / 'cam', folder / name, refiner_config(name), workers)
    assert (report.made, report.skipped, report.failed) == (4, 0, {})
    assert iou(folder, folder / name) > iou(folder, folder / 'seed') + 0.02
    lines = [json.loads(x) for x in (folder / name / 'manifest.jsonl').read_text().splitlines()]
    assert [line['name'] for line in lines] == list(NAMES)
    assert lines[0]['classes'] == [1] and lines[0]['size'] == [50, 60]
    assert set(lines[0]) == {'name', 'classes', 'background', 'size', 'sha256'}
    assert not list((folder / name).glob('.*'))


def test_failures_go_on_and_are_repeated(folder):
    out, config = folder / 'out', refiner_config('none')
    good = (folder / 'img' / 'b.png').read_bytes()
    (folder / 'img' / 'b.png').write_bytes(good[:100])
    (folder / 'cam' / 'c.npz').rename(folder / 'c.npz')
    report = generate_masks(records(folder), folder / 'cam', out, config)
    assert report.made == 2 and set(report.failed) == {'b', 'c'}
    assert 'b.png' in report.failed['b'] and 'c.npz' in report.failed['c']
    assert json.loads((out / 'failed.json').read_text()) == report.failed
    assert len((out / 'manifest.jsonl').read_text().splitlines()) == 2

    (folder / 'img' / 'b.png').write_bytes(good)
    (folder / 'c.npz').rename(folder / 'cam' / 'c.npz')
    before = (out / 'a.png').stat().st_mtime_ns
    report = generate_masks(records(folder), folder / 'cam', out, config)
    assert (report.made, report.skipped, report.failed) == (2, 2, {})
    assert (out / 'a.png').stat().st_mtime_ns == before
    assert not (out / 'failed.json').exists()
    assert len((out / 'manifest.jsonl').read_text().splitlines()) == 4


def test_goes_on_after_a_kill(folder, monkeypatch):
    out, config, job = folder / 'out', refiner_config('none'), stage._Job.__call__

    def dies(self, record):
        if record['name'] == 'c':
            raise KeyboardInterrupt
        return job(self, record)

    monkeypatch.setattr(stage._Job, '__call__', dies)
    with pytest.raises(KeyboardInterrupt):
        generate_masks(records(folder), folder / 'cam', out, config)
    monkeypatch.undo()
    report = generate_masks(records(folder), folder / 'cam', out, config)
    assert (report.made, report.skipped) == (2, 2)
    lines = [json.loads(x) for x in (out / 'manifest.jsonl').read_text().splitlines()]
    whole = folder / 'whole'
    generate_masks(records(folder), folder / 'cam', whole, config)
    assert lines == [json.loads(x) for x in (whole / 'manifest.jsonl').read_text().splitlines()]


def test_newer_cam_is_done_again_and_other_settings_are_refused(folder):
    out = folder / 'out'
    generate_masks(records(folder), folder / 'cam', out, refiner_config('none'))
    later = (out / 'b.png').stat().st_mtime + 10
    os.utime(folder / 'cam' / 'b.npz', (later, later))
    report = generate_masks(records(folder), folder / 'cam', out, refiner_config('none'))
    assert (report.made, report.skipped) == (1, 3)
    with pytest.raises(ValueError, match='another refiner'):
        generate_masks(records(folder), folder / 'cam', out, refiner_config('none', dict(bg=.5)))


def test_wrong_input(folder):
    with pytest.raises(FileNotFoundError, match='make the CAMs first'):
        generate_masks(records(folder), folder / 'nothing', folder / 'out', refiner_config('none'))
    with np.load(folder / 'cam' / 'a.npz') as file:
        np.savez(folder / 'cam' / 'a.npz', cam=file['cam'], keys=file['keys'], size=[7, 7])
    report = generate_masks(
        records(folder), folder / 'cam', folder / 'out', refiner_config('none'))
    assert 'a.npz' in report.failed['a'] and 'make the CAM again' in report.failed['a']


def write_config(folder):
    config = folder / 'config.py'
    config.write_text(f'''
default_scope = 'mmwsss'
train_dataloader = dict(dataset=dict(
    type='ImageLabelDataset', data_root={str(folder)!r}, ann_file='list.txt',
    label_file='labels.json', img_dir='img', seg_dir='seg', metainfo=dict(classes=('x', 'y', 'z'))))
refiners = dict(crf=dict(alpha=4))
''')
    return config


def start(folder, *options, **env):
    return subprocess.Popen(
        [sys.executable, str(ROOT / 'tools/generate_masks.py'), str(write_config(folder)),
         '--cams', str(folder / 'cam'), '--out', str(folder / 'out'), '--refine', 'crf',
         '--num-workers', '1', *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', **env))


@pytest.mark.slow
def test_tool(folder):
    broken = (folder / 'cam' / 'b.npz').read_bytes()
    (folder / 'cam' / 'b.npz').write_bytes(broken[:50])
    process = start(folder)
    _, stderr = process.communicate()
    assert process.returncode == 1 and 'failed.json' in stderr
    (folder / 'cam' / 'b.npz').write_bytes(broken)
    process = start(folder)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert '1 made, 2 kept, 0 failed' in stdout
    shown = float(stdout.split('mIoU ')[1].split(',')[0])
    assert shown == pytest.approx(100 * iou(folder, folder / 'out', NAMES[:3]), abs=0.01)
    settings = json.loads((folder / 'out' / 'settings.json').read_text())
    assert settings['refiner']['alpha'] == 4 and settings['crf']


@pytest.mark.slow
@pytest.mark.parametrize('name', ['psa', 'irn'])
def test_tool_with_a_network_and_its_preprocessor(folder, name):
    model = dict(dict(psa=PSA_NET, irn=IRN_NET)[name], data_preprocessor=dict(
        type='WSSSDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True))
    network = folder / 'network.py'
    network.write_text(f'model = {model!r}')
    process = start(folder, '--refine', name, '--network', str(network), '--checkpoint',
                    checkpoint(folder, model), '--device', 'cpu')
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert '3 made, 0 kept, 0 failed' in stdout


@pytest.mark.slow
def test_tool_says_what_is_wrong_in_a_line(folder):
    process = start(folder, '--refine', 'psa')
    stderr = process.communicate()[1]
    assert process.returncode == 2
    assert 'PSAMask needs a trained network' in stderr and 'Traceback' not in stderr


@pytest.mark.slow
def test_tool_on_two_ranks(folder):
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = str(free.getsockname()[1])
    ranks = [start(folder, '--launcher', 'pytorch', RANK=str(rank), LOCAL_RANK=str(rank),
                   WORLD_SIZE='2', MASTER_ADDR='localhost', MASTER_PORT=port) for rank in range(2)]
    outputs = [process.communicate() for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], outputs
    assert '3 made, 0 kept, 0 failed' in outputs[0][0] and 'made' not in outputs[1][0]
    lines = (folder / 'out/manifest.jsonl').read_text().splitlines()
    assert [json.loads(line)['name'] for line in lines] == ['a', 'b', 'c']


def test_ranks_share_the_images_whatever_the_other_has_done(folder, monkeypatch):
    """Rank 0 has made its first mask when rank 1 looks."""
    out, config = folder / 'out', refiner_config('none')
    generate_masks(records(folder)[:1], folder / 'cam', out, config)
    monkeypatch.setattr(stage, 'get_dist_info', lambda: (1, 2))
    monkeypatch.setattr(stage, 'is_main_process', lambda: False)
    generate_masks(records(folder), folder / 'cam', out, config)
    assert sorted(path.stem for path in out.glob('*.png')) == [NAMES[0], NAMES[1], NAMES[3]]
