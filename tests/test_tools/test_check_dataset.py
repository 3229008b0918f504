import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
CONFIG = '''
default_scope = 'mmwsss'
train_dataloader = dict(dataset=dict(type='PairedDataset', dataset=dict(
    type='ImageLabelDataset', data_root={root!r}, img_dir='img', label_file='labels.json',
    pipeline=[dict(type='LoadImage')])))
'''


def call(folder, *args):
    script = str(ROOT / 'tools' / 'analysis_tools' / 'check_dataset.py')
    return subprocess.run([sys.executable, script, *args], cwd=folder, capture_output=True,
                          text=True, env={'PYTHONPATH': str(ROOT)})


def test_exit_codes(tmp_path):
    (tmp_path / 'img').mkdir()
    labels = dict(a=['cat'], b=['dog'])
    for seed, name in enumerate(labels):
        pixels = np.random.default_rng(seed).integers(0, 256, (70, 80, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / 'img' / f'{name}.jpg')
    (tmp_path / 'labels.json').write_text(json.dumps(labels))
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(tmp_path)))
    done = call(tmp_path, 'img', 'labels.json', '--out', 'page.html')
    assert done.returncode == 0, done.stderr
    assert '2 images, 2 classes' in done.stdout
    assert '</html>' in (tmp_path / 'page.html').read_text()

    (tmp_path / 'img' / 'b.jpg').unlink()
    done = call(tmp_path, 'config.py')
    assert done.returncode == 1 and 'ERROR 1 labelled images are not there (b)' in done.stdout
    assert (tmp_path / 'dataset.html').is_file()

    done = call(tmp_path, 'img')
    assert done.returncode == 2 and 'a folder needs its label table' in done.stderr
