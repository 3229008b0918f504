"""Masks by the stage: scored whole, and by one process for all."""

import copy
import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.evaluator import BaseMetric

from mmwsss.evaluation import class_confusions, confusion_matrix, mask_iou
from mmwsss.models.refiners import MaskRefiner
from mmwsss.pipeline import Pipeline
from mmwsss.pipeline.compare import image_scores
from mmwsss.pipeline.report import image_scores_of
from mmwsss.pipeline.stages import mask_stage, metrics_stage
from mmwsss.pipeline.tables.page import confusion_part
from mmwsss.registry import METRICS
from mmwsss.structures.artifacts import read_mask, write_mask

TOOL = Path(__file__).parents[2] / 'tools' / 'generate_masks.py'


@METRICS.register_module(force=True)
class Unanswered(BaseMetric):
    """Number of pixels without an answer."""

    def process(self, data_batch, data_samples):
        self.results += [(sample['pred_mask'] == 255).sum() for sample in data_samples]

    def compute_metrics(self, results):
        return dict(unanswered=float(sum(results)))


@pytest.fixture
def seen(monkeypatch):
    """Counts refined images."""
    calls, scores = [], MaskRefiner.scores
    monkeypatch.setattr(MaskRefiner, 'scores', lambda *args: calls.append(1) or scores(*args))
    return calls


def test_masks_of_reliable_pixels_are_scored_whole(config, tmp_path, seen):
    """By the stage, the report, the tables and the metrics; each image is refined once."""
    config.pipeline.metrics = [dict(type='Unanswered')]
    whole = Pipeline(copy.deepcopy(config), tmp_path / 'w')
    results = whole.run()
    expected = [read(whole) for read in (image_scores_of, image_scores)]
    masks = {path.name: read_mask(path) for path in whole.stages['mask'].folder.glob('*.png')}
    seen.clear()
    config.pipeline.mask.keep = 0.5
    part = Pipeline(copy.deepcopy(config), tmp_path / 'w')
    assert part.run() == results and len(seen) == len(masks) == 12
    assert [read(part) for read in (image_scores_of, image_scores)] == expected
    assert results['metrics']['val'] == {'unanswered': 0}
    folder = part.stages['mask'].folder
    assert part.stages['mask'].scored_folder == folder / 'whole'
    for name, mask in masks.items():
        kept, before = read_mask(folder / name), read_mask(folder / 'whole' / name)
        assert (before == mask).all() and (kept[kept != 255] == mask[kept != 255]).all()
        assert (kept == 255).mean() <= 0.5
    assert (read_mask(folder / 'val_00000.png') == 255).mean() > 0.2

    # A whole mask that is missing is made again.
    (folder / 'whole' / 'val_00001.png').unlink()
    seen.clear()
    assert Pipeline(config, tmp_path / 'w').run() == results and len(seen) == 1
    assert (read_mask(folder / 'whole' / 'val_00001.png') == masks['val_00001.png']).all()


def test_confusion_of_a_table_is_that_of_whole_masks(config, tmp_path, monkeypatch):
    config.pipeline.mask.keep = 0.5
    pipeline = Pipeline(config, tmp_path / 'w')
    pipeline.run()
    monkeypatch.setattr('mmwsss.pipeline.tables.page.finished', lambda *_: dict(row=pipeline))
    place = type('Place', (), dict(folder=tmp_path, columns=[]))
    split, rng = pipeline.context.scored[0], np.random.default_rng(0)
    for name in split.names:  # that have all classes
        write_mask(tmp_path / 'w/mask/whole' / f'{name}.png', rng.integers(0, 7, (48, 48)))
    confusion_part(place, 0)
    total = sum(confusion_matrix(read_mask(tmp_path / 'w/mask/whole' / f'{name}.png'),
                                 split.ground_truth(name), 6) for name in split.names)
    names = ('background', *split.classes)
    rates = {f'{record["exact"]} called {record["called"]}': 100 * record['rate']
             for record in class_confusions(total, names=names)}
    with (tmp_path / 'confusion.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert any(float(row['row']) > 10 for row in rows)
    for row in rows:
        assert float(row['row']) == pytest.approx(rates[row['pair']])


def test_the_tool_scores_whole_masks(config, tmp_path, monkeypatch, capsys):
    config.pipeline.mask.update(keep=0.5, bg=0.3)
    file = tmp_path / 'tiny.py'
    config.dump(str(file))
    Pipeline(file, tmp_path / 'w' / 'pipeline', device='cpu').run()
    spec = importlib.util.spec_from_file_location('generate_masks_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr('sys.argv', [
        'generate_masks.py', str(file), '--work-dir', str(tmp_path / 'w'), '--device', 'cpu'])
    assert tool.run(tool.parse_args()) == 0
    record = json.loads((tmp_path / 'w/pipeline/mask/done.json').read_text())['result']
    assert f'val: 4 masks: mIoU {record["val"]["mIoU"]:.2f}' in capsys.readouterr().out


def test_one_process_chooses_the_threshold_and_scores(config, tmp_path, monkeypatch):
    config.pipeline.mask = dict(type='PARMask', bg='oracle', num_workers=0)
    config.pipeline.metrics = [dict(type='Unanswered')]
    pipeline = Pipeline(config, tmp_path / 'w')
    pipeline.run()
    stage, context = pipeline.stages['mask'], pipeline.context

    # The other process: what it would choose or score by itself fails.
    monkeypatch.setattr(mask_stage, 'is_main_process', lambda: False)
    monkeypatch.setattr(metrics_stage, 'is_main_process', lambda: False)
    monkeypatch.setattr(mask_stage, 'best_refined', pytest.fail)
    monkeypatch.setattr(mask_stage, 'mask_iou', pytest.fail)
    monkeypatch.setattr(Unanswered, 'process', pytest.fail)

    def broadcast(values):
        assert values == [None]
        values[0] = (0.375, 'the main process')

    monkeypatch.setattr(mask_stage, 'broadcast_object_list', broadcast)
    assert stage.run(context, tmp_path / 'other') == {}
    settings = json.loads((tmp_path / 'other' / 'settings.json').read_text())
    assert settings['refiner']['bg'] == 0.375
    assert pipeline.stages['metrics'].run(context, tmp_path / 'metrics') == {}
    masks = [read_mask(path) for path in (tmp_path / 'other').glob('*.png')]
    assert len(masks) == 12 and any(np.unique(mask).size > 1 for mask in masks)


def test_what_is_scored_without_keep(config, tmp_path):
    pipeline = Pipeline(config, tmp_path / 'w')
    result = pipeline.run()['mask']
    stage = pipeline.stages['mask']
    assert stage.scored_folder == stage.folder and not (stage.folder / 'whole').exists()
    split = pipeline.context.scored[0]
    assert result[split.name]['mIoU'] == mask_iou(stage.folder, split)['mIoU']
