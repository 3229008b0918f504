"""Tool, pipeline and API give the same; no ground truth is needed; settings name no place."""

import copy
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmwsss.pipeline import Context, Pipeline
from mmwsss.pipeline.fingerprint import portable
from mmwsss.pipeline.predictions import SavePredictions, predict_files
from mmwsss.pipeline.report import print_table, rows_of, write_report
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import read_classes, read_mask
from mmwsss.utils.errors import explain

ROOT = Path(__file__).parents[2]


def tool(name, *args):
    command = [sys.executable, '-W', 'ignore', str(ROOT / 'tools' / name), *map(str, args)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def same_files(one, other, suffix):
    names = sorted(path.name for path in one.glob(f'*{suffix}'))
    assert names and names == sorted(path.name for path in other.glob(f'*{suffix}'))
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.slow
def test_files_of_tools_and_pipeline_are_equal(config, tmp_path):
    """Options, images, checkpoint, refiner and threshold rule all come from config and work dir."""
    config.pipeline.cam.update(scales=(0.5, 1.), flip=True, stride=2)
    config.model.test_cfg = dict(norm='minmax')
    config.pipeline.mask = dict(type='CRFMask', bg='held_out', preset='eps', num_workers=0)
    file = tmp_path / 'tiny.py'
    config.dump(str(file))
    work = tmp_path / 'work'
    Pipeline(file, work / 'pipeline', device='cpu').run()
    tool('make_cams.py', file, '--work-dir', work, '--device', 'cpu')
    same_files(work / 'pipeline' / 'cam', work / 'cams', '.npz')
    # CAMs of other options, or of another checkpoint, are not taken for those that were asked for.
    again = tool('make_cams.py', file, '--work-dir', work, '--device', 'cpu')
    assert '12 CAM files are there and kept' in again
    other = work / 'pipeline' / 'classify' / 'epoch_1.pth'
    for options, key in ((['--scales', '0.5'], 'options'), ([other], 'checkpoint'),
                         (['--cfg-options', 'model.head.drop=0.5'], 'model')):
        with pytest.raises(AssertionError, match=f'CAMs that were made with another {key}'):
            tool('make_cams.py', file, *options, '--work-dir', work, '--device', 'cpu')
    out = tool('generate_masks.py', file, '--work-dir', work, '--device', 'cpu')
    same_files(work / 'pipeline' / 'mask', work / 'masks', '.png')
    assert 'held_out of train' in out and '12 made' in out
    # An option overrides.
    tool('generate_masks.py', file, '--work-dir', work, '--refine', 'none', 'bg=0.4', '--loader',
         'val', '--out', tmp_path / 'other')
    assert len(list((tmp_path / 'other').glob('*.png'))) == 8
    cam, keys = (np.load(work / 'cams' / 'train_00000.npz')[key] for key in ('cam', 'keys'))
    mask = read_mask(tmp_path / 'other' / 'train_00000.png')
    assert set(np.unique(mask)) <= {0, *(keys + 1)} and cam.shape[1] == 24


@pytest.mark.slow
def test_affinity_masks_by_tool_and_pipeline_are_equal(config, affinity, tmp_path):
    """The tool finds the network's config and its checkpoint."""
    config.pipeline.affinity = dict(
        config=affinity, labels=dict(type='AffinityScores', low=2, high=21))
    config.pipeline.mask = dict(type='PSAMask', alpha=6, log_steps=2, radius=3, crf='psa_rw',
                                num_workers=0)
    file = tmp_path / 'tiny.py'
    config.dump(str(file))
    work = tmp_path / 'work'
    Pipeline(file, work / 'pipeline', device='cpu').run()
    tool('generate_masks.py', file, '--work-dir', work, '--device', 'cpu')
    same_files(work / 'pipeline' / 'mask', work / 'masks', '.png')
    tool('generate_masks.py', file, '--work-dir', work, '--refine', 'labels', '--loader', 'train',
         '--out', work / 'labels')
    same_files(work / 'pipeline' / 'labels', work / 'labels', '.npz')


@pytest.mark.slow
def test_a_folder_with_labels_and_no_masks(config, segment, tmp_path):
    """From images and a label table to the segmentation model and the report."""
    shapes = Context(config, tmp_path / 'w').train_set  # draws the images
    own = tmp_path / 'own'
    (own / 'images').mkdir(parents=True)
    lines = []
    for i in range(len(shapes)):
        info = shapes.get_data_info(i)
        shutil.copy(info['img_path'], own / 'images' / f'photo {i}.jpg')
        names = [shapes.metainfo['classes'][k] for k in info['labels']]
        lines.append(','.join([f'photo {i}', *names]))
    (own / 'labels.csv').write_text('\n'.join(lines) + '\n')
    classes = tuple(shapes.metainfo['classes'])
    config.train_dataloader.dataset = dict(
        type='ImageLabelDataset', data_root=str(own), label_file='labels.csv', img_dir='images',
        metainfo=dict(classes=classes), pipeline=config.train_dataloader.dataset.pipeline)
    config.pop('val_dataloader')
    config.pop('test_dataloader')
    net = Config.fromfile(segment)
    net.train_dataloader.dataset.update(data_root=str(own), img_dir='images',
                                        metainfo=dict(classes=classes), mask_classes=None)
    net.dump(segment)
    config.pipeline.update(segment=dict(config=segment), report=dict(images=2))
    file = tmp_path / 'own.py'
    config.dump(str(file))
    out = tool('run_pipeline.py', file, '--work-dir', tmp_path / 'out', '--device', 'cpu')
    assert 'without ground truth' in out
    assert len(list((tmp_path / 'out' / 'mask').glob('photo *.png'))) == 8
    assert list((tmp_path / 'out' / 'segment').glob('*.pth'))
    shown = tmp_path / 'out' / 'segment' / 'shown'
    masks = list(shown.glob('*.png'))
    names = tuple((shown / 'classes.txt').read_text().split())
    assert len(masks) == 2 and names[0] == 'background'
    assert {read_classes(mask) for mask in masks} == {names}
    text = (tmp_path / 'out' / 'report' / 'index.html').read_text()
    for caption in ('seed at', 'pseudo mask', 'segmentation'):
        assert text.count(f'<figcaption>{caption}') == 2
    pipeline = Pipeline(file, tmp_path / 'out', device='cpu')
    assert rows_of(pipeline)[0][:3] == ['own', 'no ground truth', '–']
    mask = pipeline.results()['mask']
    assert mask['rule'].startswith('auto: ') and 0 < mask['threshold'] < 1
    print_table(pipeline)


def test_labels_alone_choose_the_threshold_by_the_rule(config, tmp_path):
    config.pop('val_dataloader')
    config.pop('test_dataloader')
    config.pipeline.mask.bg = 'auto:mean_share'
    results = Pipeline(config, tmp_path / 'w').run()
    assert results['mask']['rule'] == 'auto: mean_share, without ground truth'
    assert set(results['cam']) == {'auto'}
    assert set(results['mask']) == {'threshold', 'rule', 'shares'}
    write_report(Pipeline(config, tmp_path / 'w'), 'x')


def test_predictions_keep_subfolders_and_spaces(tmp_path):
    """Two images of one file name, and a name with a space."""
    names = ['one/x', 'two/x', 'a photo']

    class Data(list):
        def get_data_info(self, i):
            return dict(name=self[i], img_path=f'/data/{self[i]}.jpg')

    runner = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=Data(names)))
    hook = SavePredictions(tmp_path, [[0, 0, 0]], ('background', 'x', 'y'))
    hook.before_test(runner)
    for value, name in enumerate(names):
        data = SimpleNamespace(data=torch.full((1, 2, 3), value))
        hook.after_test_iter(runner, 0, None, [
            SimpleNamespace(img_path=f'/data/{name}.jpg', pred_sem_seg=data)])
    for value, name in enumerate(names):
        assert (read_mask(tmp_path / f'{name}.png') == value).all()
        assert read_classes(tmp_path / f'{name}.png') == ('background', 'x', 'y')

def test_predictions_read_no_annotation(segment, tmp_path):
    """Whatever prefix the loader has."""
    config = Config.fromfile(segment)
    config.test_dataloader.dataset.pipeline.insert(1, dict(type='mmseg.LoadAnnotations'))
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / 'a.png')
    runner = SimpleNamespace(model=MODELS.build(config.model))
    predict_files(runner, config, [('x', str(tmp_path / 'a.png'))], tmp_path / 'out', [[0, 0, 0]])
    assert read_mask(tmp_path / 'out' / 'x.png').shape == (20, 30)



# -- fingerprints ----------------------------------------------------------------------------------
def test_portable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work = tmp_path / 'work'
    value = dict(a=str(work / 'mask'), b=[str(tmp_path / 'data' / 'x.txt')], c='/far/away/VOC',
                 d='data/VOC', e=dict(num_workers=3, keep=1), pin_memory=True)
    assert portable(value, work) == dict(a='mask', b=['data/x.txt'], c='VOC', d='data/VOC',
                                         e=dict(keep=1))


def test_moved_work_dir_and_data_stay_done(config, segment, tmp_path):
    config.pipeline.segment = dict(config=segment)
    before = Pipeline(copy.deepcopy(config), tmp_path / 'one' / 'work')
    prints = {name: stage.fingerprint for name, stage in before.stages.items()}
    shutil.copytree(tmp_path / 'shapes', tmp_path / 'elsewhere' / 'shapes')
    shutil.rmtree(tmp_path / 'shapes')
    text = Config.fromfile(segment).pretty_text.replace(
        str(tmp_path / 'shapes'), str(tmp_path / 'elsewhere' / 'shapes'))
    Path(segment).write_text(text)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.data_root = str(tmp_path / 'elsewhere' / 'shapes')
        loader.num_workers = 2
    config.pipeline.mask.num_workers = 2
    after = Pipeline(config, tmp_path / 'two' / 'deeper' / 'work')
    assert {name: stage.fingerprint for name, stage in after.stages.items()} == prints
    (tmp_path / 'elsewhere/shapes/JPEGImages/train_00001.jpg').write_bytes(b'other')
    changed = Pipeline(config, tmp_path / 'two' / 'deeper' / 'work')
    assert changed.stages['classify'].fingerprint != prints['classify']


@pytest.mark.slow
def test_moved_run_is_skipped_and_its_masks_kept(config, tmp_path):
    Pipeline(copy.deepcopy(config), tmp_path / 'a').run()
    shutil.copytree(tmp_path / 'a', tmp_path / 'b')  # with new times
    (tmp_path / 'b' / 'mask' / 'done.json').unlink()
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / 'b/mask').glob('*.png')}
    shutil.rmtree(tmp_path / 'a')
    Pipeline(config, tmp_path / 'b').run()
    for path in (tmp_path / 'b' / 'mask').glob('*.png'):
        assert path.stat().st_mtime_ns == times[path.name]


# -- one run at a time, and nothing found late -----------------------------------------------------
def test_second_run_is_refused(config, tmp_path):
    from mmwsss.pipeline.lock import lock
    pipeline = Pipeline(config, tmp_path / 'w')
    with lock(tmp_path / 'w'), pytest.raises(ValueError, match='another run works in'):
        pipeline.run(check=False)
    assert not (tmp_path / 'w' / 'classify').exists()


@pytest.mark.parametrize(('change', 'message'), [
    ("cfg.pipeline.cam.scales = (-1,)", 'scales'),
    ("cfg.pipeline.cam.scale = (1,)", r"pipeline.cam: no option \['scale'\]"),
    ("cfg.pipeline.cam.stride = 0", 'stride=0'),
    ("cfg.pipeline.mask.bg = float('nan')", 'bg=nan'),
    ("cfg.pipeline.mask.bg = 2", 'bg=2'),
    ("cfg.pipeline.mask.bg = -1", 'bg=-1'),
    ("cfg.pipeline.mask.bg = 'auto:best'", "bg='auto:best'"),
    ("cfg.pipeline.mask = dict(bg=0.3)", "needs a refiner"),
    ("cfg.pipeline.report = dict(pages=3)", r"pipeline.report has no option \['pages'\]"),
    ("cfg.pipeline.report = dict(images='many')", "pipeline.report.images='many'"),
    ("cfg.pipeline.segment.options = {}", r"pipeline.segment.*unknown \['options'\]"),
    ("opt['optim_wrapper.optimizer.lrr'] = 1", 'lrr'),
    ("opt['train_cfg.max_iter'] = 1", r"IterBasedTrainLoop has no option \['max_iter'\]"),
    ("opt['train_dataloader.dataset.pipeline'] = [dict(type='NoStep')]", 'NoStep'),
    ("opt['train_dataloader.dataset.masks'] = 'x'", 'masks'),
    ("opt['test_evaluator.type'] = 'NoMetric'", 'NoMetric'),
    ("opt['test_dataloader.dataset.data_root'] = '/proc/no'", '/proc/no'),
    ("opt['test_evaluator.iou_metric'] = ['mIoU']", r"IoUMetric has no option .*iou_metric"),
    ("opt['test_evaluator.iou_metrics'] = ['mIuO']", 'mIuO'),
    ("opt['test_dataloader.dataset.mask_dir'] = 'nowhere'", 'test_dataloader have no masks'),
    ("opt['train_cfg.max_iters'] = '2'", "train_cfg.max_iters='2' must be"),
    ("opt['train_cfg.max_iters'] = 0", 'train_cfg.max_iters=0 must be'),
    ("opt['optim_wrapper.optimizer.lr'] = -1.", 'Invalid learning rate'),
    ("opt['train_dataloader.dataset.data_root'] = '/proc/no'", '/proc/no'),
    ("opt['train_dataloader.dataset.img_suffix'] = '.tif'", r'\.tif'),
    ("opt['train_dataloader.dataset.mask_classes'] = 'NoSet'", 'NoSet'),
    ("opt['train_dataloader.batch_sise'] = 4",
     r"train_dataloader: DataLoader has no option \['batch_sise'\]; did you mean batch_size"),
    ("opt['train_dataloader.batch_size'] = 0", 'train_dataloader.batch_size=0 must be'),
    ("opt['train_dataloader.sampler.type'] = 'InfinitSampler'",
     'train_dataloader.sampler: there is no .*InfinitSampler"; did you mean InfiniteSampler'),
    ("opt['train_dataloader.sampler.shufle'] = True", 'sampler: DefaultSampler has no option'),
    ("opt['train_dataloader.collate_fn'] = dict(type='nope')",
     'train_dataloader.collate_fn: there is no .*"nope"'),
    ("opt['default_hooks.checkpoint.intervall'] = 4",
     'default_hooks.checkpoint: WSSSCheckpointHook has no option .*did you mean interval'),
    ("opt['log_processor.by_epoc'] = True", 'log_processor: .*did you mean by_epoch'),
    ("opt['randomness'] = dict(sed=1)", 'randomness has no option .*did you mean seed'),
    ("opt['optim_wrapper.paramwise_cfg'] = dict(custom_key={})",
     'paramwise_cfg has no option "custom_key"; did you mean custom_keys'),
    ("opt['optim_wrapper.paramwise_cfg'] = dict(custom_keys=dict(head=dict(lr_mul=9.)))",
     'has no option "lr_mul"; did you mean lr_mult'),
    ("opt['model.backbone.init_cfg'] = dict(type='Pretrained', checkpoint='gone.pth')",
     'pipeline.segment.cfg_options.model.backbone.init_cfg=None'),
    ("cfg.pipeline.metrics = [dict(type='NoMetric')]", 'NoMetric'),
    ("cfg.pipeline.stages = dict(mine=dict(type='NoStage'))", 'NoStage'),
])
def test_wrong_options_of_any_stage_are_found_before_the_training(
        config, segment, tmp_path, change, message):
    options = {}
    config.pipeline.segment = dict(config=segment, cfg_options=options)
    exec(change, dict(cfg=config, opt=options))
    if options:
        config.pipeline.segment.cfg_options = options
    with pytest.raises(Exception) as found:
        Pipeline(config, tmp_path / 'w').check()
    line = explain(found.value)
    assert line and '\n' not in line and re.search(message, line), line
    assert not (tmp_path / 'w').exists()
