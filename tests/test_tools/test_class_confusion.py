import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from mmwsss.datasets import ShapesDataset
from mmwsss.structures.artifacts import read_mask, write_mask

ROOT = Path(__file__).parents[2]
CONFIG = '''
default_scope = 'mmwsss'
val_dataloader = dict(dataset=dict(
    type='ShapesDataset', data_root={root!r}, num_images=12, image_size=40, test_mode=True,
    pipeline=[]))
'''


def call(folder, *args):
    script = str(ROOT / 'tools' / 'analysis_tools' / 'class_confusion.py')
    return subprocess.run([sys.executable, script, *args], cwd=folder, capture_output=True,
                          text=True, env={'PYTHONPATH': str(ROOT)})


def test_swapped_partners_show(tmp_path):
    ShapesDataset.export(tmp_path / 'shapes', dict(train=12), image_size=40)
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(tmp_path / 'shapes')))
    exact = tmp_path / 'shapes' / 'SegmentationClassAug'
    shutil.copytree(exact, tmp_path / 'right')
    swap = np.array([0, 2, 1, 4, 3, 5, 6], np.uint8)
    for path in exact.glob('*.png'):
        write_mask(tmp_path / 'wrong' / path.name, swap[read_mask(path)])
    done = call(tmp_path, 'config.py', 'right', 'wrong', '--pairs', '2')
    assert done.returncode == 0, done.stderr
    rows = {tuple(line.split()[:-2]): line.split()[-2:] for line in done.stdout.splitlines()}
    pairs = [row for row in rows if 'called' in row]
    assert len(pairs) == 2 and set(pairs) <= {
        ('stripes', 'called', 'dots'), ('dots', 'called', 'stripes'),
        ('checks', 'called', 'rings'), ('rings', 'called', 'checks')}
    assert all(rows[pair] == ['0.00', '100.00'] for pair in pairs)
    assert rows['mIoU', '(%)'][0] == '100.00'

    (tmp_path / 'seeds').mkdir()
    (tmp_path / 'right').rename(tmp_path / 'seeds' / '0')
    (tmp_path / 'wrong').rename(tmp_path / 'seeds' / '1')
    done = call(tmp_path, 'config.py', 'seeds/*', '--pairs', '2')
    assert done.stdout.count('50.00') == 3, done.stdout  # both pairs and their mean

    done = call(tmp_path, 'config.py', 'seeds/0', 'elsewhere')
    assert done.returncode == 2 and 'elsewhere' in done.stderr
    assert 'Traceback' not in done.stderr
