"""Memory of CAM inference: flat over many images, bounded for large ones; no graph where nothing
learns."""

import json
import subprocess
import sys

import pytest
import torch

from mmwsss.models.backbones import ResNet38d
from mmwsss.registry import MODELS

MEASURE = """
import json, resource, sys
import cv2, numpy as np
import mmwsss, torch
from mmwsss.datasets.splits import build_image_dataset
from mmwsss.inference import generate_cams
from mmwsss.registry import MODELS
from mmwsss.utils import register_all_modules
register_all_modules()
torch.set_num_threads(1)
root, job = sys.argv[1:]
model = MODELS.build(dict(
    type='WSSSClassifier', backbone=dict(
        type='mmpretrain.ResNet', depth=18, base_channels=16, stem_channels=16, out_indices=(3, )),
    head=dict(type='GAPHead', num_classes=3, in_channels=128)))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def cams(name, count, height, width, **options):
    folder = f'{root}/{name}'
    import os
    os.makedirs(f'{folder}/img')
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    for i in range(count):
        cv2.imwrite(f'{folder}/img/{i}.jpg', image)
    json.dump({str(i): ['x'] for i in range(count)}, open(f'{folder}/labels.json', 'w'))
    data = build_image_dataset(dict(
        type='ImageLabelDataset', data_root=folder, label_file='labels.json', img_dir='img',
        metainfo=dict(classes=('x', 'y', 'z'))))
    generate_cams(model, data, f'{folder}/cams', num_workers=0, **options)
    return peak()

if job == 'many':
    result = [cams('few', 20, 96, 128), cams('many', 200, 96, 128)]
else:
    result = [cams('limit', 1, 853, 1280), cams('large', 1, 4000, 6000)]
print('PEAKS', json.dumps(result))
"""


def peaks(tmp_path, job):
    """Peaks in MB of a process, after the first and the second job."""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', MEASURE, str(tmp_path), job],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith('PEAKS'))
    return json.loads(line.split(' ', 1)[1])


@pytest.mark.slow
def test_flat_over_200_images(tmp_path):
    few, many = peaks(tmp_path, 'many')
    assert many - few < 30


@pytest.mark.slow
def test_bounded_for_large_images(tmp_path):
    """22 times the pixels cost the decoded image and its normalisation, not the network's maps."""
    limit, large = peaks(tmp_path, 'large')
    image = 4000 * 6000 * 3 / 2 ** 20
    assert large - limit < 12 * image  # uint8 and float32; the network would take 22 times as much
    assert large < 2048


def kept(model, images):
    """Bytes that autograd keeps for the backward pass beside the weights."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    weights.add(images.untyped_storage().data_ptr())
    found = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model(images)[-1]
    return sum(found.values()), out


@pytest.mark.parametrize(('build', 'last'), [
    (lambda frozen: ResNet38d(width=1 / 16, frozen_stages=frozen), 7),
    (lambda frozen: MODELS.build(dict(
        type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8, out_indices=(3, ),
        frozen_stages=frozen, norm_eval=True)), 4),
])
def test_frozen_stages_keep_no_graph(build, last):
    """Nothing is kept for a backward pass that no parameter and no input needs: with all stages
    frozen nothing at all, and yet the image can have a gradient."""
    images, sizes = torch.randn(2, 3, 32, 32), []
    for frozen in (-1, 2, last):
        model = build(frozen)
        model.train()
        size, out = kept(model, images)
        sizes.append(size)
    assert sizes[0] > sizes[1] > sizes[2] == 0 and not out.requires_grad
    images.requires_grad_()
    kept(model, images)[1].sum().backward()
    assert images.grad.abs().sum() > 0
