import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmwsss.datasets import ShapesDataset

ROOT = Path(__file__).parents[2]
CAM = str(ROOT / 'configs/demo/cam_shapes.py')
KTSE = str(ROOT / 'configs/demo/ktse_shapes.py')
SEGMENT = str(ROOT / 'configs/deeplab/deeplabv2_small_shapes.py')


def call(folder, tool, *args):
    script = str(ROOT / 'tools' / 'analysis_tools' / f'{tool}.py')
    return subprocess.run([sys.executable, script, *args], cwd=folder, capture_output=True,
                          text=True, env={'PYTHONPATH': str(ROOT)})


def test_print_config(tmp_path):
    done = call(tmp_path, 'print_config', CAM, '--cfg-options', 'model.head.drop=0.25', '--out',
                'all.py')
    assert done.returncode == 0, done.stderr
    cfg = Config.fromfile(tmp_path / 'all.py')
    assert cfg.model.head.drop == 0.25 and cfg.train_dataloader.dataset.type == 'ShapesDataset'
    assert cfg.train_cfg == Config.fromfile(CAM).train_cfg
    done = call(tmp_path, 'print_config', CAM)
    assert "type='WSSSClassifier'" in done.stdout
    done = call(tmp_path, 'print_config', 'none.py')
    assert done.returncode == 2 and 'error: no config "none.py"' in done.stderr


def test_get_flops(tmp_path):
    (tmp_path / 'config.py').write_text('''
model = dict(
    type='WSSSClassifier',
    backbone=dict(type='mmseg.ResNet', depth=18, num_stages=1, stem_channels=8, base_channels=8,
                  strides=(1, ), dilations=(1, ), out_indices=(0, )),
    head=dict(type='GAPHead', num_classes=5, in_channels=8))
''')
    done = call(tmp_path, 'get_flops', 'config.py', '--size', '64', '96')
    assert done.returncode == 0, done.stderr
    convs = 7 * 7 * 3 * 8 + 4 * 9 * 8 * 8 + 8 * 5
    parameters = convs + 5 * 2 * 8
    assert f'parameters: {parameters / 1e3:.3g}K' in done.stdout
    stem, blocks = 32 * 48 * 7 * 7 * 3 * 8, 16 * 24 * (4 * 9 * 8 * 8 + 8 * 5)
    norms = 2 * 8 * (32 * 48 + 4 * 16 * 24)
    operations = float(done.stdout.split('operations: ')[1].split('M')[0])
    assert (stem + blocks) / 1e6 <= operations + 0.005
    assert operations <= (stem + blocks + 2 * norms) / 1e6 + 0.005


@pytest.mark.parametrize(('config', 'extra'), [
    (KTSE, ('--epoch', '99', '--cfg-options', 'train_dataloader.dataset.num_images=12')),
    (SEGMENT, ()),
    (CAM, ('--loader', 'val', '--cfg-options', 'val_dataloader.dataset.num_images=12'))])
def test_browse_dataset(config, extra, tmp_path):
    """Each sample of these configs has two images: a pair, or an image and its mask."""
    ShapesDataset.export(tmp_path / 'data' / 'shapes', dict(train=12, val=4))
    done = call(tmp_path, 'browse_dataset', config, '--out', 'out', '--num', '3', '--height', '80',
                *extra)
    assert done.returncode == 0, done.stderr
    paths = sorted((tmp_path / 'out').glob('*.png'))
    assert len(paths) == 3
    with Image.open(paths[0]) as image:
        assert image.size[0] > 2 * 80
        last = np.asarray(image)[40:80, -60:-20]
    assert last.std() > 1


LOG = [
    dict(lr=.1, loss=2., loss_cls=1.5, time=9., epoch=1, iter=10, step=10),
    dict(lr=.1, loss=1., loss_cls=.7, time=2., epoch=1, iter=20, step=20),
    dict(lr=.1, loss=.8, loss_cls=.5, time=4., epoch=2, iter=30, step=30),
    dict(mIoU=44., step=2)]


def test_analyze_logs(tmp_path):
    path = tmp_path / 'run' / '2026' / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(map(json.dumps, LOG)))
    done = call(tmp_path, 'analyze_logs', 'cal_train_time', 'run')
    assert done.returncode == 0, done.stderr
    assert 'mean: 3.0000 s' in done.stdout and 'slowest epoch, 2: 4.0000 s' in done.stdout
    resumed = tmp_path / 'run' / '2027' / 'vis_data' / 'scalars.json'  # and killed
    resumed.parent.mkdir(parents=True)
    resumed.write_text('{"loss": 1, "time": 10, "epoch": 3, "step": 9}\n{"loss": 1, "ti')
    done = call(tmp_path, 'analyze_logs', 'cal_train_time', 'run')
    assert done.returncode == 0 and 'slowest epoch, 3: 10.0000 s' in done.stdout
    done = call(tmp_path, 'analyze_logs', 'plot_curve', 'run', str(path), '--keys', 'loss*', 'mIoU',
                '--out', 'a.png')
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / 'a.png') as image:
        assert image.size[0] > 500
    done = call(tmp_path, 'analyze_logs', 'plot_curve', 'run', '--keys', 'acc')
    assert done.returncode == 2 and 'no value "acc" in the log; there are' in done.stderr
    done = call(tmp_path, 'analyze_logs', 'cal_train_time', 'nowhere')
    assert done.returncode == 2 and 'no log "nowhere"' in done.stderr
