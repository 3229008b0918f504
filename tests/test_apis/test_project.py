"""A folder of images and its labels become a project that runs as it is."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmwsss.apis.project import choose_backbone, new_project, plan
from mmwsss.datasets import ShapesDataset
from mmwsss.inference import read_config
from mmwsss.pipeline import Pipeline
from mmwsss.structures.artifacts import read_classes, read_mask, read_record
from mmwsss.utils import register_all_modules

ROOT = Path(__file__).parents[2]
FORMS = ('wide.csv', 'long.csv', 'labels.json', 'labels.txt', 'coco.json', 'yolo', 'voc',
         'folders')


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """Images of Shapes, a third of them without a class, and their labels by name."""
    register_all_modules()
    root = tmp_path_factory.mktemp('source')
    ShapesDataset.export(root, dict(train=24), image_size=64)
    labels = json.loads((root / 'labels.json').read_text())
    labels = {n: [] if i % 3 == 0 else sorted(x)[:2] for i, (n, x) in enumerate(labels.items())}
    return root, labels


def write(form, folder, labels):
    """The labels in a form; returns the table, and the folder of images."""
    classes = sorted({c for x in labels.values() for c in x})
    path, images = folder / form, folder.parent / 'JPEGImages'
    if form == 'wide.csv':
        rows = [','.join([n, *(str(int(c in x)) for c in classes)]) for n, x in labels.items()]
        path.write_text('\n'.join([','.join(['image', *classes]), *rows]))
    elif form == 'long.csv':
        path.write_text('\n'.join(['image,class', *(f'{n}.jpg,{c}' for n, x in labels.items()
                                                    for c in x or [''])]))
    elif form == 'labels.json':
        path.write_text(json.dumps(labels))
    elif form == 'labels.txt':
        path.write_text('\n'.join(' '.join([n, *x]) for n, x in labels.items()))
    elif form == 'coco.json':
        path.write_text(json.dumps(dict(
            images=[dict(id=i, file_name=f'{n}.jpg') for i, n in enumerate(labels)],
            categories=[dict(id=i, name=c) for i, c in enumerate(classes)],
            annotations=[dict(image_id=i, category_id=classes.index(c))
                         for i, x in enumerate(labels.values()) for c in x])))
    elif form == 'yolo':
        path.mkdir()
        (path / 'classes.txt').write_text('\n'.join(classes))
        for n, x in labels.items():
            (path / f'{n}.txt').write_text(
                ''.join(f'{classes.index(c)} 0.5 0.5 0.2 0.2\n' for c in x))
    elif form == 'voc':
        path.mkdir()
        for n, x in labels.items():
            objects = ''.join(f'<object><name>{c}</name></object>' for c in x)
            (path / f'{n}.xml').write_text(f'<annotation>{objects}</annotation>')
    else:
        images = path
        for n, x in labels.items():
            if x:
                (path / x[0]).mkdir(parents=True, exist_ok=True)
                shutil.copy(folder.parent / 'JPEGImages' / f'{n}.jpg', path / x[0] / f'{n}.jpg')
    return path, images


@pytest.mark.parametrize('form', FORMS)
def test_every_form_of_labels(source, form, tmp_path):
    root, labels = source
    folder = root / f'as_{form.replace(".", "_")}'
    folder.mkdir(exist_ok=True)
    table, images = write(form, folder, labels)
    result, config = new_project(images, table, tmp_path / 'p', backbone='small')
    assert result.ok and config == tmp_path / 'p/classifier.py'
    cfg = read_config(config)
    expected = {n: x[:1] if form == 'folders' else x for n, x in labels.items()
                if x or form != 'folders'}
    assert tuple(cfg.classes) == tuple(sorted({c for x in expected.values() for c in x}))
    pipeline = Pipeline(config, tmp_path / 'work')
    pipeline.check()
    assert list(pipeline.stages)[-1] == 'segment'
    matrix = pipeline.context.train_set.label_matrix()
    assert len(matrix) == len(expected)
    assert matrix.sum() == sum(map(len, expected.values()))


def test_short_and_commented(source, tmp_path):
    root, labels = source
    (root / 'short').mkdir(exist_ok=True)
    table, images = write('wide.csv', root / 'short', labels)
    _, config = new_project(images, table, tmp_path / 'p', backbone='small')
    texts = [path.read_text() for path in sorted((tmp_path / 'p').glob('*.py'))]
    lines = [line for text in texts for line in text.splitlines()]
    assert len(texts) == 2 and sum(map(bool, lines)) < 60 and all('#' in x for x in texts)
    # Only a path may be longer than a line.
    assert not [x for x in lines if len(x) > 100 and str(tmp_path.parent) not in x]
    assert str(ROOT) not in ''.join(texts)  # works where the package is installed
    with pytest.raises(ValueError, match='has a project already'):
        new_project(images, table, tmp_path / 'p', backbone='small')
    _, config = new_project(images, table, tmp_path / 'with blank', backbone='small')
    assert f"tools/run_pipeline.py '{config}'" in config.read_text()


def test_nothing_is_written_for_a_wrong_folder(source, tmp_path):
    root, labels = source
    (root / 'wrong').mkdir(exist_ok=True)
    table, images = write('labels.json', root / 'wrong', dict(labels, absent=['stripes']))
    result, config = new_project(images, table, tmp_path / 'p', backbone='small')
    assert config is None and not (tmp_path / 'p').exists() and not result.ok
    assert '1 labelled images are not there' in result.summary()


def test_backbones(tmp_path, monkeypatch, caplog):
    register_all_modules()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('mmwsss.apis.project._reachable', lambda depth: False)
    small = choose_backbone()
    assert small.config['type'] == 'mmseg.ResNet' and 'no ImageNet weights' in small.warning
    assert small.channels == 128 and not small.pretrained
    monkeypatch.setattr('mmwsss.apis.project._reachable', lambda depth: True)
    found = choose_backbone()
    assert found.config['init_cfg']['checkpoint'] == 'torchvision://resnet18'
    assert not found.warning and found.channels == 512
    pytest.importorskip('timm')
    (tmp_path / 'pretrain').mkdir()
    (tmp_path / 'pretrain/efficientnet_lite0_timm.pth').write_bytes(b'')
    found = choose_backbone()
    assert found.config['model'] == 'tf_efficientnet_lite0' and found.channels == 1280
    assert found.mean == [127.5] * 3
    with pytest.raises(ValueError, match='no backbone "nonsense"'):
        choose_backbone('nonsense')
    with pytest.raises(FileNotFoundError, match='no weights "nope"'):
        choose_backbone(weights='nope')


def test_weights_of_another_network(source, tmp_path):
    root, labels = source
    (root / 'weights').mkdir(exist_ok=True)
    table, images = write('labels.json', root / 'weights', labels)
    good, bad = tmp_path / 'good.pth', tmp_path / 'bad.pth'
    network = choose_backbone('resnet18', None)
    torch.save(network.build().state_dict(), good)
    torch.save({'some.weight': torch.zeros(3)}, bad)
    _, config = new_project(images, table, tmp_path / 'p', backbone='resnet18', weights=good)
    assert read_config(config).model.backbone.init_cfg.checkpoint == str(good)
    with pytest.raises(ValueError, match='bad.pth" has no weight for ResNet.*--backbone'):
        new_project(images, table, tmp_path / 'q', backbone='resnet18', weights=bad)
    bad.write_text('not a checkpoint')
    with pytest.raises(ValueError, match='bad.pth'):
        new_project(images, table, tmp_path / 'q', backbone='resnet18', weights=bad)
    assert not (tmp_path / 'q').exists()


@pytest.mark.parametrize('count', [3, 20, 60, 500, 5000])
@pytest.mark.parametrize('long_side', [48, 112, 500, 6000])
def test_sizes_fit(count, long_side):
    cpu, gpu = (plan(count, long_side, True, on_gpu, 2) for on_gpu in (False, True))
    for sizes in (cpu, gpu):
        assert 64 <= sizes.crop <= 320 and sizes.batch <= count and sizes.epochs >= 1
        assert sizes.epochs * count >= 3 * count or sizes.epochs * count / sizes.batch >= 190
        assert max(sizes.scales) * long_side <= 2.1 * max(sizes.crop, 64)
    assert gpu.seg_iters > cpu.seg_iters
    scratch = plan(count, long_side, False, False, 2)
    assert scratch.epochs >= cpu.epochs
    assert plan(50_000, long_side, True, False, 2).stride >= 4  # or 100 GB of CAMs


@pytest.mark.slow
@pytest.mark.parametrize('masks', [False, True])
def test_two_commands(source, tmp_path, masks):
    """The two commands, in a folder without the checkout, with a training of a few steps."""
    root, labels = source
    (root / f'two{masks}').mkdir(exist_ok=True)
    table, images = write('long.csv', root / f'two{masks}', labels)
    more = []
    if masks:  # of every second image, in the ids of the classes of the table
        classes = sorted({c for x in labels.values() for c in x})
        (tmp_path / 'gt').mkdir()
        for name in [n for i, n in enumerate(labels) if i % 2]:
            mask = read_mask(root / 'SegmentationClassAug' / f'{name}.png')
            out = np.zeros_like(mask)
            for number, c in enumerate(classes, 1):
                if c in labels[name]:
                    out[mask == ShapesDataset.METAINFO['classes'].index(c) + 1] = number
            cv2.imwrite(str(tmp_path / 'gt' / f'{name}.png'), out)
        more = ['--masks', str(tmp_path / 'gt')]

    def run(*command):
        done = subprocess.run([sys.executable, *map(str, command)], cwd=tmp_path,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    run(ROOT / 'tools/new_project.py', images, table, '--backbone', 'small', '--out', 'p', *more)
    text = (tmp_path / 'p/segmentation.py').read_text()
    (tmp_path / 'p/segmentation.py').write_text(text + "train_cfg.update(max_iters=3)\n")
    shown = run(ROOT / 'tools/run_pipeline.py', 'p/classifier.py', '--cfg-options',
                'train_cfg.max_epochs=2')
    work = tmp_path / 'p' / 'work' / 'pipeline'
    record = read_record(work / 'mask/done.json')['result']
    assert record['shares']['images'] == sum(map(bool, labels.values()))
    assert 'masks: of 16 masks' in shown and 'Config:' not in shown and 'OneDL' not in shown
    assert ('refined' in record['rule']) == masks
    for name, classes in labels.items():
        mask = read_mask(work / 'mask' / f'{name}.png')
        assert mask.shape == (64, 64) and (classes or not mask.any())
    checkpoint = next((work / 'segment').glob('*.pth'))
    run(ROOT / 'tools/infer.py', 'p/segmentation.py', checkpoint, images, '--out', 'out')
    assert len(list((tmp_path / 'out/masks').glob('*.png'))) == 24
    first = next((tmp_path / 'out/masks').glob('*.png'))
    assert read_classes(first)[1:] == tuple(sorted({c for x in labels.values() for c in x}))
