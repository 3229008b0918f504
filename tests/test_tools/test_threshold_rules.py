import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mmwsss.datasets import ShapesDataset
from mmwsss.datasets.splits import Split
from mmwsss.inference import seed_mask
from mmwsss.structures.artifacts import load_cam, save_cam

TOOL = Path(__file__).parents[2] / 'tools/benchmarks/threshold_rules.py'
spec = importlib.util.spec_from_file_location('threshold_rules', TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def miou(split, cams, threshold):
    both, either = np.zeros(7), np.zeros(7)
    for name in split.names:
        seed = seed_mask(load_cam(cams / f'{name}.npz'), threshold)
        truth = split.ground_truth(name)
        for c in range(7):
            both[c] += ((seed == c) & (truth == c)).sum()
            either[c] += (((seed == c) | (truth == c)) & (truth != 255)).sum()
    return 100 * np.mean((both / either)[either > 0])


def test_rows(tmp_path):
    ShapesDataset.export(tmp_path / 'shapes', dict(train=6), image_size=40)
    split = Split(dict(type='ShapesDataset', data_root=str(tmp_path / 'shapes'), num_images=6,
                       image_size=40))
    rng = np.random.default_rng(0)
    for i in range(len(split)):
        info = split.dataset.get_data_info(i)
        truth, keys = split.ground_truth(info['name']), list(info['labels'])
        cam = [np.clip((truth == key + 1) * 0.5 + rng.uniform(0, 0.4, truth.shape), 0, 1)
               for key in keys]
        save_cam(tmp_path / f'{info["name"]}.npz', np.array(cam), keys, truth.shape)
    rows = tool.compare(split, str(tmp_path), [0.2], crf=False)
    assert [row['rule'] for row in rows][:2] == ['oracle', 'otsu']
    assert rows[-1]['rule'] == 'mean_share=0.2'
    assert rows[0]['mIoU'] == pytest.approx(miou(split, tmp_path, rows[0]['threshold']), abs=1e-6)
    for row in rows[1:]:
        assert row['miss'] == pytest.approx(rows[0]['mIoU'] - row['mIoU'])
        # Between two thresholds of the curve.
        assert row['mIoU'] == pytest.approx(miou(split, tmp_path, row['threshold']), abs=1)
