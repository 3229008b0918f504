"""The whole line on a few drawn images."""

import copy
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmwsss.evaluation import mask_iou
from mmwsss.pipeline import Pipeline
from mmwsss.pipeline.report import (
    header_of,
    print_repetition,
    print_table,
    rows_of,
    write_report,
)
from mmwsss.structures.artifacts import read_mask


def times(folder):
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob('*/done.json')}


def test_stages_up_to_the_masks(config, tmp_path):
    work = tmp_path / 'work'
    pipeline = Pipeline(copy.deepcopy(config), work)
    assert list(pipeline.stages) == ['classify', 'cam', 'mask']
    results = pipeline.run()
    threshold = results['cam']['train']['threshold@oracle']
    assert results['mask']['threshold'] == threshold
    assert set(results['cam']) == {'train', 'val'}
    # The masks are the seeds at that threshold, scored as the folder is.
    with np.load(work / 'cam' / 'val_00000.npz') as file:
        cam, keys = file['cam'].astype(np.float32), file['keys']
    expected = np.where(cam.max(0) > np.float32(threshold), keys[cam.argmax(0)] + 1, 0)
    mask = read_mask(work / 'mask' / 'val_00000.png')
    assert (mask == expected).mean() > 0.999
    split = pipeline.context.splits[1]
    again = mask_iou(work / 'mask', split)
    assert results['mask']['val']['mIoU'] == pytest.approx(again['mIoU'])
    # Of plain seeds the masks' score is the seed's at its oracle threshold.
    assert results['mask']['train']['mIoU'] == pytest.approx(
        results['cam']['train']['mIoU@oracle'], abs=1e-6)

    # Nothing is done twice.
    before = times(work)
    assert Pipeline(copy.deepcopy(config), work).run() == results
    assert times(work) == before

    # Other masks: the classifier and the CAMs stay.
    config.pipeline.mask.bg = 0.4
    assert Pipeline(copy.deepcopy(config), work).run()['mask']['threshold'] == 0.4
    changed = {name for name, time in times(work).items() if time != before[name]}
    assert changed == {'mask'}

    # Another training: all after it is made again.
    before = times(work)
    config.optim_wrapper.optimizer.lr = 0.02
    Pipeline(copy.deepcopy(config), work).run()
    assert {name for name, time in times(work).items() if time != before[name]} == set(before)


def test_own_background_is_scored_shown_and_used(config, tmp_path):
    config.model.backbone.update(
        num_stages=3, strides=(1, 2, 1), dilations=(1, 1, 1), out_indices=(0, 1, 2))
    config.model.head = dict(type='SIPEHead', num_classes=6, in_channels=(8, 16, 32),
                             side_channels=(4, 4, 4))
    config.pipeline.mask.bg = 'own'
    pipeline = Pipeline(config, tmp_path / 'w')
    results = pipeline.run()
    for split in ('train', 'val'):  # plain seeds, so the masks' score is the seeds'
        assert results['mask'][split]['mIoU'] == pytest.approx(
            results['cam'][split]['mIoU@own'], abs=1e-6)
    assert results['mask']['threshold'] == 'own'
    row = dict(zip(header_of(pipeline), rows_of(pipeline)[1]))
    assert row['seed (own)'] == f'{results["cam"]["val"]["mIoU@own"]:.1f}'
    assert 'own background' in write_report(pipeline).read_text()


def test_fixed_threshold_of_the_config(config, tmp_path):
    config.val_evaluator = dict(type='SeedMetric', thresholds=None, fixed=0.3)
    config.pipeline.mask.bg = 0.3
    pipeline = Pipeline(config, tmp_path / 'w')
    results = pipeline.run()
    assert results['cam']['val']['mIoU@fixed'] == pytest.approx(
        results['mask']['val']['mIoU'], abs=1e-6)
    assert 'seed (fixed)' in header_of(pipeline)


@pytest.mark.slow
def test_upper_bound_beside_the_segmentation(config, segment, tmp_path):
    """Trained on ground truth alone, without the other stages; a fingerprint of its own."""
    config.pipeline.update(
        segment=dict(config=segment),
        stages=dict(supervised=dict(type='SegmentStage', ground_truth=True)))
    pipeline = Pipeline(copy.deepcopy(config), tmp_path / 'w', stages=['supervised'])
    stage = pipeline.stages['supervised']
    assert stage.fingerprint != pipeline.stages['segment'].fingerprint and not stage.before
    dataset = stage.config(pipeline.context).train_dataloader.dataset
    assert dataset.mask_dir == 'SegmentationClassAug'
    results = pipeline.run()
    assert list(results) == ['supervised']
    assert (tmp_path / 'w' / 'supervised' / 'images.txt').is_file()
    row = dict(zip(header_of(pipeline), rows_of(pipeline)[1]))
    assert row['supervised'] == f'{results["supervised"]["mIoU"]:.1f}'

    missing = next((tmp_path / 'shapes' / 'SegmentationClassAug').glob('train_*.png'))
    missing.rename(tmp_path / missing.name)
    with pytest.raises(FileNotFoundError, match=f'ground truth of all training.*{missing.name}'):
        Pipeline(config, tmp_path / 'v', stages=['supervised']).stages['supervised'].check(
            pipeline.context)


def test_loader_workers_are_no_change(config, tmp_path):
    first = Pipeline(copy.deepcopy(config), tmp_path / 'w').stages
    config.train_dataloader.num_workers = 3
    config.pipeline.cam.batch_size = 1
    second = Pipeline(config, tmp_path / 'w').stages
    assert [s.fingerprint for s in first.values()] == [s.fingerprint for s in second.values()]
    third = Pipeline(config, tmp_path / 'w', seed=1).stages
    assert third['mask'].fingerprint != second['mask'].fingerprint


@pytest.mark.skipif(torch.cuda.is_available(), reason='float16 there')
def test_amp_reaches_every_training(config, segment, tmp_path, monkeypatch):
    monkeypatch.setenv('MMWSSS_FORCE_AMP', '1')
    base = tmp_path / 'base.py'
    config.dump(str(base))
    config.pipeline.update(baseline=str(base), segment=dict(config=segment))
    plain = Pipeline(copy.deepcopy(config), tmp_path / 'w')
    mixed = Pipeline(config, tmp_path / 'w', amp=True)
    for pipeline in (mixed, mixed.baseline):
        for stage in ('classify', 'segment'):
            settings = pipeline.stages[stage].settings(pipeline.context)
            optim_wrapper = settings['config']['optim_wrapper']
            assert optim_wrapper['type'] == 'Bfloat16OptimWrapper'
    assert mixed.stages['classify'].fingerprint != plain.stages['classify'].fingerprint


def test_a_killed_training_goes_on_and_ends_the_same(config, tmp_path, monkeypatch):
    whole = Pipeline(copy.deepcopy(config), tmp_path / 'whole', stages=['classify'])
    whole.run()
    from mmwsss.engine.hooks import WSSSCheckpointHook
    save = WSSSCheckpointHook.after_train_epoch

    def save_and_die(self, runner):
        save(self, runner)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(WSSSCheckpointHook, 'after_train_epoch', save_and_die)
        Pipeline(copy.deepcopy(config), tmp_path / 'cut', stages=['classify']).run()
    assert not (tmp_path / 'cut' / 'classify' / 'done.json').exists()
    Pipeline(copy.deepcopy(config), tmp_path / 'cut', stages=['classify']).run()
    states = [torch.load(tmp_path / name / 'classify' / 'epoch_2.pth', weights_only=True)
              for name in ('whole', 'cut')]
    for key, value in states[0]['state_dict'].items():
        assert torch.equal(value, states[1]['state_dict'][key]), key


def test_named_stages_only(config, tmp_path):
    with pytest.raises(ValueError, match='needs "method/classify".*--stages'):
        Pipeline(copy.deepcopy(config), tmp_path / 'w', stages=['cam']).run()
    results = Pipeline(copy.deepcopy(config), tmp_path / 'w', stages=['classify', 'cam']).run()
    assert set(results) == {'classify', 'cam'}


def test_seeds_alone_need_no_cams_of_training_images(config, tmp_path):
    config.val_dataloader = config.test_dataloader  # else the training images are scored
    config.pipeline.stages = dict(cam=dict(type='CAMStage', train=False), mask=None)
    results = Pipeline(copy.deepcopy(config), tmp_path / 'w').run()
    assert set(results) == {'classify', 'cam'} and results['cam']['val']['mIoU@oracle'] > 0
    names = sorted(path.stem for path in (tmp_path / 'w' / 'cam').glob('*.npz'))
    assert names == [f'val_{i:05d}' for i in range(4)]

    config.pipeline.stages.pop('mask')
    results = Pipeline(copy.deepcopy(config), tmp_path / 'w').run()
    assert set(results) == {'classify', 'cam', 'mask'} and results['mask']['val']['mIoU'] > 0
    assert sorted(path.stem for path in (tmp_path / 'w' / 'mask').glob('*.png')) == names

    config.val_dataloader = config.test_dataloader = None
    with pytest.raises(ValueError, match=r'CAMStage\(train=False\)'):
        Pipeline(config, tmp_path / 'v').check()


@pytest.mark.parametrize('stage, block', [
    ('segment', dict(config='configs/deeplab/deeplabv2_small_shapes.py')),
    ('labels', dict(config='configs/irn/irnet_r50_voc.py', labels=dict(type='IRLabel')))])
def test_who_learns_needs_the_training_images(config, tmp_path, stage, block):
    config.pipeline.stages = dict(cam=dict(type='CAMStage', train=False))
    config.pipeline['affinity' if stage == 'labels' else stage] = block
    with pytest.raises(ValueError, match=f'"{stage}" learns from the training images'):
        Pipeline(config, tmp_path / 'w').check()


def test_prior_masks_reach_the_data_set(config, tmp_path):
    path = tmp_path / 'base.py'
    config.dump(str(path))
    config.pipeline.prior = str(path)
    config.train_dataloader.dataset.pipeline.insert(1, dict(type='LoadMask', key='prior_mask'))
    config.train_dataloader.dataset.prior_dir = 'nowhere'
    pipeline = Pipeline(config, tmp_path / 'w')
    folder = str((tmp_path / 'w' / 'prior' / 'mask').resolve())
    assert pipeline.context.cfg.train_dataloader.dataset.prior_dir == folder
    prior = pipeline.stages['prior'].pipeline
    assert pipeline.stages['classify'].before[0] is pipeline.stages['prior']
    pipeline.run()
    assert pipeline.stages['mask'].is_done and prior.stages['mask'].is_done
    # Its blocks are those of this config, unless it has its own.
    config.pipeline.mask.bg = 0.6
    for own, bg in (({}, 0.6), (dict(mask=dict(type='ThresholdMask', bg=0.2)), 0.2)):
        config.pipeline.prior = dict(config=str(path), **own)
        prior = Pipeline(copy.deepcopy(config), tmp_path / 'w').stages['prior'].pipeline
        assert prior.context.mask_options['bg'] == bg


def test_the_prior_is_trained_as_its_own_config_says(config, tmp_path):
    first, base = tmp_path / 'first.py', copy.deepcopy(config)
    config.dump(str(first))
    base.pipeline.start = dict(config=str(first), seed=0)
    base.dump(str(tmp_path / 'base.py'))
    config.pipeline.prior = str(tmp_path / 'base.py')
    config.train_dataloader.dataset.pipeline.insert(1, dict(type='LoadMask', key='prior_mask'))
    config.train_dataloader.dataset.prior_dir = 'nowhere'
    alone = Pipeline(str(tmp_path / 'base.py'), tmp_path / 'alone')
    without_start = Pipeline(str(first), tmp_path / 'first')
    for start in (None, str(tmp_path / 'base.py')):  # that of the run is not that of its prior
        config.pipeline.start = start
        prior = Pipeline(copy.deepcopy(config), tmp_path / 'w').stages['prior']
        assert {'start', 'classify', 'mask'} <= {stage.key for stage in prior.used}
        found = prior.pipeline.stages['classify'].fingerprint
        assert found == alone.stages['classify'].fingerprint
        assert found != without_start.stages['classify'].fingerprint


def test_the_baseline_starts_where_its_config_says(config, tmp_path):
    first, base = tmp_path / 'first.py', copy.deepcopy(config)
    config.dump(str(first))
    base.pipeline.start = config.pipeline.start = dict(config=str(first), seed=0)
    base.dump(str(tmp_path / 'base.py'))
    config.pipeline.baseline = str(tmp_path / 'base.py')
    pipeline = Pipeline(config, tmp_path / 'w')
    alone = Pipeline(str(tmp_path / 'base.py'), tmp_path / 'alone')
    baseline = pipeline.baseline.stages
    assert baseline['classify'].fingerprint == alone.stages['classify'].fingerprint
    # One first phase serves both.
    assert baseline['start'].pipeline is pipeline.stages['start'].pipeline
    config.pipeline.start = dict(config=str(first), seed=1)
    pipeline = Pipeline(copy.deepcopy(config), tmp_path / 'w')
    assert pipeline.baseline.stages['start'].pipeline is not pipeline.stages['start'].pipeline
    assert pipeline.baseline.stages['classify'].fingerprint == alone.stages['classify'].fingerprint


def test_a_training_goes_on_from_that_of_another_config(config, tmp_path):
    path = tmp_path / 'base.py'
    config.dump(str(path))
    config.optim_wrapper.optimizer.lr = 0.
    config.train_cfg.max_epochs = 1
    config.pipeline.start = dict(config=str(path), seed=0)
    runs = [Pipeline(copy.deepcopy(config), tmp_path / 'w', seed=seed, stages=['start', 'classify'])
            for seed in (0, 1)]
    first = [run.stages['start'].pipeline.stages['classify'] for run in runs]
    assert first[0].fingerprint == first[1].fingerprint  # one first phase for all seeds
    assert runs[0].stages['classify'].fingerprint != runs[1].stages['classify'].fingerprint
    results = runs[1].run()
    assert set(results['start']) == {'classify'} and first[0].is_done
    assert not (tmp_path / 'w' / 'start' / 'cam').exists()
    files = [tmp_path / 'w' / 'start' / 'classify' / 'epoch_2.pth',
             tmp_path / 'w' / 'classify' / 'epoch_1.pth']
    start, end = (torch.load(file, weights_only=True)['state_dict'] for file in files)
    for key, value in start.items():
        assert 'running' in key or 'tracked' in key or torch.equal(value, end[key]), key

    config.pipeline.start = str(path)  # the seed of the run
    runs = [Pipeline(copy.deepcopy(config), tmp_path / 'w', seed=seed) for seed in (0, 1)]
    assert len({run.stages['start'].fingerprint for run in runs}) == 2
    base = Config.fromfile(path)
    base.train_cfg.max_epochs = 3
    base.dump(str(path))
    changed = Pipeline(copy.deepcopy(config), tmp_path / 'w')
    assert changed.stages['classify'].fingerprint != runs[0].stages['classify'].fingerprint


@pytest.mark.parametrize('start', [dict(seed=0), dict(config='base.py', speed=0)])
def test_a_wrong_start_is_named(config, tmp_path, start):
    config.pipeline.start = start
    with pytest.raises(ValueError, match=r'pipeline\.start is a config file'):
        Pipeline(config, tmp_path / 'w')


@pytest.mark.slow
def test_affinity_stages(config, affinity, tmp_path):
    config.pipeline.affinity = dict(
        config=affinity, labels=dict(type='AffinityScores', low=4, high=32))
    config.pipeline.mask = dict(type='PSAMask', alpha=6, log_steps=2, radius=3)
    pipeline = Pipeline(copy.deepcopy(config), tmp_path / 'w')
    pipeline.check()
    assert list(pipeline.stages) == ['classify', 'cam', 'labels', 'affinity', 'mask']
    results = pipeline.run()
    assert results['mask']['val']['mIoU'] > 0
    assert len(list((tmp_path / 'w' / 'labels').glob('*.npz'))) == 8
    config.pipeline.mask.betas = 3
    with pytest.raises(TypeError, match=r"PSAMask has no option \['betas'\]"):
        Pipeline(config, tmp_path / 'w').check()


@pytest.mark.slow
def test_segmentation_baseline_and_report(config, segment, tmp_path, capsys):
    base = tmp_path / 'base.py'
    config.dump(str(base))
    config.pipeline.update(baseline=str(base), segment=dict(config=segment),
                           report=dict(pictures=3))
    runs = [Pipeline(copy.deepcopy(config), tmp_path / f'w{seed}', seed=seed) for seed in (0, 1)]
    for run in runs:
        results = run.run()
    # Ours are mmseg's figures.
    assert results['segment']['mIoU'] == pytest.approx(results['segment']['mmseg']['mIoU'],
                                                       abs=0.01)
    assert results['baseline']['segment']['split'] == 'val'
    page = write_report(runs[1], 'the command')
    text = page.read_text()
    # Of 3 images the image and its ground truth once, and of 2 methods CAMs, seed, mask and
    # segmentation.
    shown = runs[0].context.shown()
    assert text.count('<figure>') == sum(2 + 2 * (3 + len(info['labels'])) for info in shown)
    assert 'the command' in text and 'http' not in text.split('<h2>Commands')[0]
    assert (page.parent / 'stages.png').is_file()
    assert json.loads((page.parent / 'metrics.json').read_text())['base']['val']['segment'] >= 0
    assert [row[:2] for row in rows_of(runs[0])] == [
        ['base', 'train'], ['base', 'val'], ['method', 'train'], ['method', 'val']]
    print_table(runs[0])
    print_repetition(runs)
    assert '±' in capsys.readouterr().out



@pytest.mark.parametrize(('change', 'message'), [
    ("cfg.pipeline.masks = dict()", r"pipeline has no option \['masks'\]"),
    ("cfg.pipeline.mask.bg = 'best'", r"pipeline.mask.bg='best' must be a number"),
    ("cfg.pipeline.mask.bg = 'own'", 'a head that scores the background.*GAPHead does not'),
    ("cfg.pipeline.affinity = dict(config='a.py', labels=dict(type='IRLabel', fg='own', bg='own'))",
     'a head that scores the background.*GAPHead does not'),
    ("cfg.pipeline.mask.type = 'NoMask'", 'NoMask'),
    ("cfg.pipeline.mask.beta = 3", 'beta'),
    ("cfg.pipeline.segment = dict(config='no.py')", 'no file "no.py"'),
    ("cfg.pipeline.baseline = 'no.py'", 'no file "no.py"'),
    ("cfg.model.head.num_classes = 5",
     'model.head.num_classes=5, but the training set has 6 classes'),
    ("cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='no.pth')", r'no\.pth'),
    ("cfg.model.modules = [dict(type='MultiGranularityAlignment', treshold=1)]", 'treshold'),
    ("cfg.pop('optim_wrapper')", 'has no optim_wrapper'),
    ("cfg.train_dataloader.dataset.data_root = '/proc/no'", '/proc/no'),
])
def test_mistakes_are_found_before_the_training(config, tmp_path, change, message):
    exec(change, dict(cfg=config))
    with pytest.raises(Exception, match=message):
        Pipeline(config, tmp_path / 'w').check()
    assert not (tmp_path / 'w').exists()


def test_segmentation_of_other_classes(config, segment, tmp_path):
    config.pipeline.segment = dict(
        config=segment, cfg_options={'model.decode_head.num_classes': 21})
    with pytest.raises(ValueError, match=r'num_classes=21; needed are 7'):
        Pipeline(config, tmp_path / 'w').check()


def test_missing_image_is_found_before_the_training(config, tmp_path):
    Pipeline(copy.deepcopy(config), tmp_path / 'w').check()
    (tmp_path / 'shapes' / 'JPEGImages' / 'train_00003.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'train_00003\.jpg'):
        Pipeline(config, tmp_path / 'w').check()


def test_each_image_is_shown_once(config, tmp_path):
    shown = Pipeline(config, tmp_path / 'w').context.shown()  # 8 are wanted, 4 are there
    assert sorted(info['name'] for info in shown) == [f'val_0000{i}' for i in range(4)]


def test_unknown_stage(config, tmp_path):
    with pytest.raises(ValueError, match=r"no stage \['masks'\]"):
        Pipeline(config, tmp_path / 'w', stages=['masks'])
