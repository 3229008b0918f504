"""What the report shows of the runs."""

import copy
import csv
import json

import numpy as np
import pytest

from mmwsss.pipeline import Layers, Pipeline, Stage
from mmwsss.pipeline import report as module
from mmwsss.pipeline.report import compare_runs, write_report
from mmwsss.pipeline.training import logged_curves
from mmwsss.registry import STAGES
from mmwsss.structures.artifacts import read_mask


def log(folder, time, *lines):
    path = folder / time / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(line if isinstance(line, str) else json.dumps(line)
                              for line in lines))


def test_curves_of_a_training_that_was_cut_off(tmp_path):
    log(tmp_path, '1', dict(lr=.1, loss=3., loss_cls=2., epoch=1, iter=5, step=5),
        dict(lr=.1, loss=2., loss_cls=1., epoch=2, iter=10, step=10),
        {'seed/mIoU@oracle': 40., 'time': 1., 'step': 2},
        dict(lr=.1, loss=9., loss_cls=9., epoch=3, iter=15, step=15), '{"lr": 0.1, "lo')
    log(tmp_path, '2', dict(lr=.1, loss=1., loss_cls=.5, epoch=3, iter=15, step=15))
    assert logged_curves(tmp_path) == {
        'loss': ('iteration', ([5, 10, 15], [3., 2., 1.])),
        'loss_cls': ('iteration', ([5, 10, 15], [2., 1., .5])),
        'seed/mIoU@oracle': ('epoch', ([2], [40.]))}
    assert logged_curves(tmp_path / 'none') == {}


def test_validations_of_a_training_by_iterations(tmp_path):
    log(tmp_path, '1', dict(lr=.1, loss=3., iter=5, step=5), dict(mIoU=40., step=5),
        dict(lr=.1, loss=3., iter=9, step=9), dict(mIoU=50., step=0))
    assert logged_curves(tmp_path)['mIoU'] == ('iteration', ([5, 9], [40., 50.]))


def image_iou(pred, truth):
    """Mean over the classes that one of the masks has."""
    pred, truth = pred[truth != 255], truth[truth != 255]
    ious = [((pred == k) & (truth == k)).sum() / ((pred == k) | (truth == k)).sum()
            for k in range(7) if ((pred == k) | (truth == k)).any()]
    return 100 * np.mean(ious)


def test_worst_and_best_images_and_all_scores(config, tmp_path):
    config.default_hooks.logger = dict(type='LoggerHook', interval=1)
    config.test_dataloader.dataset.num_images = 16
    pipeline = Pipeline(config, tmp_path / 'w', device='cpu')
    pipeline.run()
    left_over = tmp_path / 'w/report/.metrics.json.abcd_123'  # of a run that was killed
    left_over.parent.mkdir()
    left_over.touch()
    page = write_report(pipeline, 'x')
    assert not left_over.exists()
    split = pipeline.context.scored[-1]
    ious = {name: image_iou(read_mask(tmp_path / 'w' / 'mask' / f'{name}.png'),
                            split.ground_truth(name)) for name in split.names}
    with (page.parent / 'scores.csv').open() as file:
        rows = {row['image']: float(row['percent']) for row in csv.DictReader(file)}
    assert {name: rows[name] for name in ious} == pytest.approx(ious, abs=0.006)
    assert len(rows) == 16 + 8

    [run] = json.loads((page.parent / 'runs.json').read_text())
    assert len(run['images']) == 8
    shown = [image['scores']['mask IoU with background'] for image in run['images']]
    ranked = sorted(ious.values())
    assert shown[:4] == pytest.approx(ranked[:2] + ranked[-2:])
    assert {image['name'] for image in run['images']} <= set(ious)
    charts = {chart['title']: chart for chart in run['charts']}
    assert charts['classify: loss']['values'][0] == [1, 2, 3, 4]  # 8 images, 2 epochs of 4
    assert charts['mask IoU with background of single images, sorted']['values'][1] == sorted(
        charts['mask IoU with background of single images, sorted']['values'][1])
    text = page.read_text()
    assert len(text) < 8 * 500_000 and text.count('<canvas>') == 8
    for stage in run['stages']:
        assert stage['memory']['rss'] > 50 and 'torch' in stage['machine']


def test_each_training_has_its_own_log(config, tmp_path):
    """mmengine keeps visualizers by name, and the configs give all of them the same."""
    config.visualizer = dict(type='Visualizer', name='visualizer',
                             vis_backends=[dict(type='LocalVisBackend')])
    config.default_hooks.logger = dict(type='LoggerHook', interval=1)
    other = tmp_path / 'other.py'
    config.train_cfg.max_epochs = 1
    config.dump(str(other))
    config.train_cfg.max_epochs = 2
    config.pipeline.baseline = str(other)
    pipeline = Pipeline(config, tmp_path / 'w', stages=['classify'], device='cpu')
    pipeline.run()
    assert [logged_curves(tmp_path / 'w' / folder)['loss'][1][0] for folder in
            ('classify', 'baseline/classify')] == [[1, 2, 3, 4], [1, 2]]


def test_an_image_stays_within_its_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (600, 900, 3), np.uint8)
    addresses = module._embed([noise] * 4, 200_000)
    assert len(addresses) == 4 and sum(map(len, addresses)) <= 200_000


@STAGES.register_module()
class OwnMaps(Stage):
    """Shows maps and scores, and knows nothing of the line."""

    def run(self, context, folder):
        return {}

    def scores(self, context):
        return {'train_00001': {'my score': 12.5}}

    def layers(self, context, name):
        return Layers([2, 0], np.full((2, 400, 200), 0.5), 0.25)


def test_a_stage_of_ones_own_shows_scores_and_maps_without_ground_truth(config, tmp_path):
    config.pop('val_dataloader')
    config.pop('test_dataloader')
    config.pipeline = dict(stages=dict(own=dict(type='OwnMaps'), classify=None, cam=None,
                                       mask=None))
    runs = []
    for seed in (0, 1):
        pipeline = Pipeline(copy.deepcopy(config), tmp_path / f'seed_{seed}', seed, device='cpu')
        pipeline.run()
        write_report(pipeline, 'x')
        runs += json.loads((tmp_path / f'seed_{seed}/report/runs.json').read_text())
    image = next(x for x in runs[0]['images'] if x['name'] == 'train_00001')
    assert image['scores'] == {'my score': 12.5} and image['truth'] is None
    [layers] = image['layers']
    palette = pipeline.context.palette
    assert layers['caption'] == 'own' and layers['threshold'] == 0.25
    assert layers['colors'] == [list(palette[3]), list(palette[1])]

    page = compare_runs([tmp_path / 'seed_0', tmp_path / 'seed_1'], tmp_path / 'both.html')
    text = page.read_text()
    assert text.count('<canvas>') == 2 * 8 and text.count('<article') == 8
    assert f'method ({tmp_path / "seed_1"})' in text
    with pytest.raises(FileNotFoundError, match=r'no report in .*nowhere.*run_pipeline'):
        compare_runs([tmp_path / 'nowhere'], tmp_path / 'x.html')
