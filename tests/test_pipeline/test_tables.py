"""A small table end to end: shared stages, kill and resume, formats, jobs, slurm."""

import csv
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmwsss.pipeline import Pipeline
from mmwsss.pipeline.compare import image_scores, mask_reader, open_run
from mmwsss.pipeline.tables import Table, TableColumn, Workplace, collect, measure
from mmwsss.pipeline.tables.result import at_threshold

ROOT = Path(__file__).parents[2]

TABLE = '''
title = 'A small table'
paper = 'small'
kind = 'figure'
source = 'nowhere'
analysis = ['sweep', 'images', 'confusion']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='half', title='at .5', stage='cam', split='train', metric='mIoU@0.5'),
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU'),
    dict(key='fixed', title='mask at .4', stage='mask', split='train', metric='mIoU',
         options={'pipeline.mask.bg': 0.4}),
    dict(key='test', title='test', stage='segment', split='test', metric='mIoU', shapes=None)]
rows = [
    dict(name='one', shapes=CONFIG, published=dict(seed=(20., 1.5), test=70.)),
    dict(name='two, longer', options={'train_cfg.max_epochs': EPOCHS}, shapes=CONFIG,
         published=dict(seed=30.)),
    dict(name='three', voc=CONFIG, published=dict(seed=40.))]
'''


@pytest.fixture
def table(config, tmp_path):
    """File of a table of two rows that run, one of them twice as long, and one that does not."""
    def write(epochs=3):
        file = tmp_path / 'tiny.py'
        config.dump(str(file))
        path = tmp_path / 'small_table1.py'
        path.write_text(TABLE.replace('CONFIG', repr(str(file))).replace('EPOCHS', str(epochs)))
        return path
    return write


def command(path, work, *more):
    return [sys.executable, '-W', 'ignore', str(ROOT / 'tools/reproduce.py'), str(path), '--data',
            'shapes', '--work-dir', str(work), '--device', 'cpu', *more]


def reproduce(path, work, *more, **env):
    done = subprocess.run(command(path, work, *more), cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, **env})
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def stages(work):
    """Names of the finished stages in the store, and when they were done."""
    return {path.parent.name: path.stat().st_mtime_ns
            for path in (work / 'store').glob('*/done.json')}


def test_rows_share_what_is_equal(table, tmp_path):
    place = Workplace(Table(table()), 'shapes', tmp_path / 'work', device='cpu')
    place.check()
    assert place.run_all([0]) == []
    kinds = sorted(name.split('-')[0] for name in stages(tmp_path / 'work'))
    # Two trainings; the column with another background shares them and the CAMs.
    assert kinds == ['cam'] * 2 + ['classify'] * 2 + ['mask'] * 4
    before = stages(tmp_path / 'work')
    assert place.run_all([0]) == [] and stages(tmp_path / 'work') == before

    cells = collect(place, [0, 1])
    one = cells['one']
    pipeline = place.variants(place.rows[0], 0)[0].pipeline
    record = json.loads(next(place.store.glob(
        f'cam-{pipeline.stages["cam"].fingerprint}/seeds_train.json')).read_text())
    assert one['seed'].values == {0: record['metrics']['mIoU@oracle']}
    assert one['seed'].difference == pytest.approx(record['metrics']['mIoU@oracle'] - 20)
    assert one['half'].values[0] == record['curve']['mIoU'][50]
    assert one['test'] == (70., None, {}) and cells['three']['seed'] == (40., None, {})
    assert one['fixed'].values[0] == pipeline_alone(place, tmp_path)

    # A work dir of a row can be opened again; scores of each image by a plain loop.
    again = open_run(place.folder / place.rows[0].slug / 'seed_0')
    assert again.results() == pipeline.results() != {}
    check_image_scores(again)


def pipeline_alone(place, tmp_path):
    """The mask's mIoU of the first row at .4 without any store."""
    cfg = place.table.config(place.rows[0], 'shapes', place.columns[3])
    alone = Pipeline(cfg, tmp_path / 'alone', device='cpu')
    alone.run()
    shared = place.variants(place.rows[0], 0)[1].pipeline
    assert alone.stages['classify'].fingerprint == shared.stages['classify'].fingerprint
    return measure(alone, place.columns[3])


def check_image_scores(pipeline):
    for what in ('mask', 'seed'):
        split, read = pipeline.context.scored[0], mask_reader(pipeline, what)
        for record in image_scores(pipeline, what=what):
            pred, gt = read(record['image']), split.ground_truth(record['image'])
            ious, precisions, recalls = [], [], []
            for c in range(1, 7):
                p, g = (pred == c) & (gt != 255), gt == c
                if (p | g).any():
                    ious.append((p & g).sum() / (p | g).sum())
                    precisions.append((p & g).sum() / p.sum() if p.any() else 0)
                    recalls.append((p & g).sum() / g.sum() if g.any() else 0)
            for key, values in zip(('IoU', 'precision', 'recall'), (ious, precisions, recalls)):
                assert record[key] == pytest.approx(100 * np.mean(values))


@pytest.mark.slow
def test_killed_and_resumed(table, tmp_path):
    """After SIGKILL in the second row's training the command resumes, and ends as without."""
    path, work = table(60), tmp_path / 'work'
    process = subprocess.Popen(command(path, work), cwd=ROOT, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    end = time.time() + 120
    while time.time() < end and process.poll() is None:
        trained = list((work / 'store').glob('classify-*/epoch_*.pth'))
        if len(stages(work)) >= 4 and any(int(p.stem.split('_')[1]) >= 4 for p in trained):
            break
        time.sleep(0.02)
    assert process.poll() is None, 'ended before it was killed'
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = stages(work)
    assert 4 <= len(before) < 8
    left = work / 'small_table1_shapes/.table.md.ab12cd34'  # of a kill while it was written
    left.parent.mkdir(exist_ok=True)
    left.touch()
    out = reproduce(path, work)
    assert {name: at for name, at in stages(work).items() if name in before} == before
    assert 'small table' in out and 'two, longer' in out and not left.exists()

    # The same as a run that was not killed.
    reproduce(path, tmp_path / 'other')
    one, other = (json.loads((folder / 'small_table1_shapes/table.json').read_text())['rows']
                  for folder in (work, tmp_path / 'other'))
    assert one == other and one['two, longer']['seed']['mean'] > 0

    folder = work / 'small_table1_shapes'
    rows = list(csv.DictReader((folder / 'table.csv').open()))
    assert {row['column'] for row in rows} == {'seed', 'half', 'mask', 'fixed', 'test'}
    cell = next(row for row in rows if row['row'] == 'one' and row['column'] == 'seed')
    assert float(cell['published']) == 20 and float(cell['published_std']) == 1.5
    assert float(cell['ours']) == one['one']['seed']['mean']
    markdown = (folder / 'table.md').read_text()
    assert '| one | 20.00 ± 1.50 |' in markdown and 'reproduce.py' in markdown
    page = (folder / 'index.html').read_text()
    # Of 4 images a row for each of the 2 runs, with the image, the CAM of each class, seed and
    # mask; the ground truth once.
    names = set(re.findall(r'alt="(\w+): one"', page))
    labels = {info['name']: info['labels'] for info in open_run(
        next(folder.glob('one*/seed_0'))).context.shown()}
    assert len(names) == 4
    assert page.count('data:image/jpeg') == sum(2 * (3 + len(labels[name])) + 1 for name in names)
    assert 'two, longer' in page
    assert len((folder / 'sweep.csv').read_text().splitlines()) == 1 + 2 * 96
    assert len((folder / 'images.csv').read_text().splitlines()) == 1 + 2 * 8

    out = tmp_path / 'out.html'
    runs = [str(next(folder.glob(f'{name}*/seed_0'))) for name in ('one', 'two')]
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', str(ROOT / 'tools/analysis_tools/compare.py'), *runs,
         '--names', 'a', 'b', '--images', 'train_00001', '--out', str(out), '--scores',
         str(tmp_path / 's.csv')], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert out.read_text().count('train_00001: ') == 4  # caption and alt of two rows
    assert len((tmp_path / 's.csv').read_text().splitlines()) == 1 + 2 * 8


@pytest.mark.slow
def test_jobs_wait_for_each_other(table, tmp_path):
    """Two rows at a time that share all their stages: one makes them, the other waits."""
    work = tmp_path / 'work'
    reproduce(table(2), work, '--jobs', '2', '--seeds', '0', '--images', '0')  # rows are equal
    names = stages(work)
    assert sorted(name.split('-')[0] for name in names) == ['cam', 'classify', 'mask', 'mask']
    rows = json.loads((work / 'small_table1_shapes/table.json').read_text())['rows']
    assert rows['one']['mask']['values'] == rows['two, longer']['mask']['values'] != {}


@pytest.mark.slow
def test_slurm(table, tmp_path):
    """sbatch is given one job a row and seed; collecting runs nothing."""
    work, calls = tmp_path / 'work', tmp_path / 'calls'
    fake = tmp_path / 'bin/sbatch'
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "" >> {calls}\necho 7\n')
    fake.chmod(fake.stat().st_mode | stat.S_IEXEC)
    path = table()
    out = reproduce(path, work, '--launcher', 'slurm', '--seeds', '0', '1', '--slurm-args=--mem=2G',
                    PATH=f'{fake.parent}:{os.environ["PATH"]}')
    assert '4 jobs: 7 7 7 7' in out and not stages(work)
    jobs = calls.read_text().strip().split('\n\n')
    assert len(jobs) == 4 and all('--mem=2G' in job for job in jobs)
    wrap = jobs[3].split('--wrap=')[1]
    assert "--rows 'two, longer' --seeds 1 --job" in wrap
    subprocess.run(['sh', '-c', wrap], cwd=ROOT, check=True, capture_output=True)
    reproduce(path, work, '--collect', '--seeds', '0', '1', '--images', '0')
    rows = json.loads((work / 'small_table1_shapes/table.json').read_text())['rows']
    assert list(rows['two, longer']['mask']['values']) == ['1']
    assert rows['one']['mask']['values'] == {}


def test_wrong_tables_are_named(table, tmp_path):
    path = table()
    good = path.read_text()
    for old, new, message in [
            ("title = 'A small table'", 'wrong = 1', 'wrong'),
            ("stage='mask', split", "stag='mask', split", 'column mask'),
            ("published=dict(seed=30.)", "published=dict(sead=30.)", 'sead'),
            ("name='three'", "name='one'", 'each one of its own')]:
        assert old in good
        path.write_text(good.replace(old, new))
        with pytest.raises((KeyError, ValueError), match=message):
            Table(path)
    path.write_text(good)
    with pytest.raises(ValueError, match='coco'):
        Workplace(Table(path), 'coco', tmp_path)
    with pytest.raises(ValueError, match='2: three'):
        Workplace(Table(path), 'shapes', tmp_path, rows=['four'])
    with pytest.raises(ValueError, match='no mIoU@0.9'):
        at_threshold(dict(thresholds=[0, 0.3], mIoU=[1, 2]), 'mIoU', 0.9)
    assert at_threshold(dict(thresholds=[0, 0.3], mIoU=[1, 2]), 'mIoU', 0.3) == 2


@pytest.mark.parametrize(('old', 'new', 'message'), [
    ("stage='mask', split='train', metric='mIoU')", "stage='maks', split='train', metric='mIoU')",
     'column "mask" is of a stage "maks"; there are .*\'mask\''),
    ("stage='mask', split='train', metric='mIoU')", "stage='mask', split='trian', metric='mIoU')",
     'column "mask" is of a split "trian"; there are .*\'train\''),
    ("published=dict(seed=30.)", "published=dict(seed='30')",
     r'row "two, longer" publishes \[\'seed\'\] as .*a number or \(number, deviation\)'),
    ("'train_cfg.max_epochs': 3", "'train_cfg.max_epoch.x': 3",
     'row "two, longer": .*has no option .*max_epoch'),
    ("kind = 'figure'", "kind = 'figure'\ndata = 'pets'", r"data is a list.*data=\['pets'\]")])
def test_mistakes_of_a_table_are_found_before_it_runs(table, tmp_path, old, new, message):
    path = table()
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message) as error:
        Workplace(Table(path), 'shapes', tmp_path / 'w').check()
    assert str(path) in str(error.value)


def test_a_table_on_a_data_set_of_ones_own(table, tmp_path):
    path = table()
    text = path.read_text()
    path.write_text(text.replace('shapes=', 'pets=').replace("kind =", "data = ['pets']\nkind ="))
    place = Workplace(Table(path), 'pets', tmp_path / 'w')
    assert [row.name for row in place.runnable] == ['one', 'two, longer']
    assert place.columns[-1].options['pets'] is None
    with pytest.raises(KeyError, match='pets'):
        path.write_text(text.replace('shapes=', 'pets='))
        Table(path)


def test_a_metric_that_is_not_there_is_said(monkeypatch):
    said = []
    monkeypatch.setattr('mmwsss.pipeline.tables.result.print_log',
                        lambda text, *args, **kwargs: said.append(text))
    stage = SimpleNamespace(is_done=True, result=dict(train=dict(mIoU=3., IoU=[1])), folder=None)
    pipeline = SimpleNamespace(stages=dict(mask=stage))
    column = TableColumn('m', 'mask', 'mask', 'train', 'mIuO', {})
    assert measure(pipeline, column) is None
    assert said == ['column "m": the stage "mask" has no "mIuO" of "train"; it has [\'mIoU\']']
    assert measure(pipeline, column._replace(metric='mIoU')) == 3 and len(said) == 1
