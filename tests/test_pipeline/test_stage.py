"""A stage is skipped when done, resumes when interrupted, and runs again when its config does."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from mmwsss.pipeline import Pipeline
from mmwsss.pipeline.fingerprint import digest
from mmwsss.pipeline.stage import Column
from mmwsss.pipeline.stage import Stage as Base
from mmwsss.pipeline.stages import MetricsStage
from mmwsss.registry import METRICS, STAGES
from mmwsss.structures.artifacts import jsonable


class Worker(Base):
    """A stage whose settings and work are given."""

    def __init__(self, settings, work):
        self._settings, self._work = settings, work

    def settings(self, context):
        return self._settings

    def run(self, context, folder):
        return self._work(folder)


class Stage:
    """``Stage(name, folder, settings, inputs, work)``."""

    def __new__(cls, name, folder, settings, inputs, work):
        context = SimpleNamespace(name='method', work_dir=folder.parent, root=folder.parent,
                                  store=None,
                                  folder_of=lambda stage: folder)
        stage = Worker(settings, work).bind(context, folder.name, inputs)
        stage.name = name
        return stage


class Work:
    def __init__(self, fail=False):
        self.calls, self.fail = 0, fail

    def __call__(self, folder):
        self.calls += 1
        (folder / f'part{self.calls}').write_text('x')
        if self.fail:
            raise KeyboardInterrupt
        return dict(calls=self.calls)


def test_done_is_skipped(tmp_path):
    work = Work()
    stage = Stage('s', tmp_path / 's', dict(a=1), [], work)
    assert not stage.is_done and stage.result == {}
    assert stage.execute() == dict(calls=1) and stage.is_done
    assert Stage('s', tmp_path / 's', dict(a=1), [], work).execute() == dict(calls=1)
    assert work.calls == 1


def test_cut_off_goes_on_in_the_same_folder(tmp_path):
    work = Work(fail=True)
    with pytest.raises(KeyboardInterrupt):
        Stage('s', tmp_path / 's', dict(a=1), [], work).execute()
    assert not (tmp_path / 's' / 'done.json').exists()
    work.fail = False
    assert Stage('s', tmp_path / 's', dict(a=1), [], work).execute() == dict(calls=2)
    assert (tmp_path / 's' / 'part1').exists()


def test_changed_settings_repeat_it_and_all_after_it(tmp_path):
    works = Work(), Work()

    def run(**settings):
        first = Stage('first', tmp_path / '1', settings, [], works[0])
        second = Stage('second', tmp_path / '2', {}, [first], works[1])
        first.execute()
        second.execute()

    run(a=1)
    run(a=1)
    assert [work.calls for work in works] == [1, 1]
    run(a=2)
    assert [work.calls for work in works] == [2, 2]
    assert not (tmp_path / '1' / 'part1').exists()  # nothing of the old settings stays


def test_inputs_must_be_done(tmp_path):
    first = Stage('first', tmp_path / '1', {}, [], Work())
    with pytest.raises(ValueError, match='"second" needs "first".*--stages'):
        Stage('second', tmp_path / '2', {}, [first], Work()).execute()


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / 's').mkdir()
    (tmp_path / 's' / 'thesis.tex').write_text('x')
    with pytest.raises(ValueError, match='holds files that no stage made'):
        Stage('s', tmp_path / 's', {}, [], Work()).execute()
    assert (tmp_path / 's' / 'thesis.tex').exists()


def test_damaged_record(tmp_path):
    stage = Stage('s', tmp_path / 's', {}, [], Work())
    stage.execute()
    (tmp_path / 's' / 'done.json').write_text('{"finger')
    with pytest.raises(ValueError, match=r'done\.json" is damaged.*delete it'):
        stage.execute()


def test_digest_and_json():
    assert digest(dict(a=1, b=(1, 2))) == digest(dict(b=[1, 2], a=1))
    assert digest(dict(a=1)) != digest(dict(a=2))
    import numpy as np
    value = jsonable(dict(x=np.float32(1.5), y=[float('nan'), np.int64(3)]))
    assert json.loads(json.dumps(value)) == dict(x=1.5, y=[None, 3])


# -- faults ----------------------------------------------------------------------------------------
def test_kill_while_the_mark_is_written_blocks_nothing(tmp_path):
    folder = tmp_path / 's'
    folder.mkdir()
    (folder / '.stage.json.abcd1234').write_text('{"fing')
    work = Work()
    assert Stage('s', folder, {}, [], work).execute() == dict(calls=1)
    assert not list(folder.glob('.*'))


def test_damaged_mark_blocks_nothing(tmp_path):
    work = Work(fail=True)
    with pytest.raises(KeyboardInterrupt):
        Stage('s', tmp_path / 's', {}, [], work).execute()
    (tmp_path / 's' / 'stage.json').write_text('{"fing')
    work.fail = False
    assert Stage('s', tmp_path / 's', {}, [], work).execute() == dict(calls=2)
    assert not (tmp_path / 's' / 'part1').exists()  # whose it was is not known


def test_done_goes_before_the_folder_is_emptied(tmp_path, monkeypatch):
    """A kill in the middle of the removal must not leave a rest that counts as done."""
    import pathlib
    Stage('s', tmp_path / 's', dict(a=1), [], Work()).execute()
    unlink = pathlib.Path.unlink

    def dies(self, missing_ok=False):
        if self.name.startswith('part'):
            raise KeyboardInterrupt
        unlink(self, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pathlib.Path, 'unlink', dies)
        Stage('s', tmp_path / 's', dict(a=2), [], Work()).execute()
    assert not (tmp_path / 's' / 'done.json').exists()
    assert not Stage('s', tmp_path / 's', dict(a=1), [], Work()).is_done
    assert Stage('s', tmp_path / 's', dict(a=1), [], Work()).execute() == dict(calls=1)


def test_temporary_files_are_swept(tmp_path):
    work = Work(fail=True)
    with pytest.raises(KeyboardInterrupt):
        Stage('s', tmp_path / 's', {}, [], work).execute()
    (tmp_path / 's' / 'sub').mkdir()
    (tmp_path / 's' / 'sub' / '.a.png.x_9a8b7c').write_text('')
    (tmp_path / 's' / '.hidden').write_text('')
    work.fail = False
    Stage('s', tmp_path / 's', {}, [], work).execute()
    assert not (tmp_path / 's' / 'sub' / '.a.png.x_9a8b7c').exists()
    assert (tmp_path / 's' / '.hidden').exists() and (tmp_path / 's' / 'part1').exists()


@pytest.mark.parametrize(('damage', 'verify'), [('delete', False), ('truncate', False),
                                                ('flip', True)])
def test_damaged_files_of_a_finished_stage_are_made_again(tmp_path, damage, verify):
    def work(folder):
        made = []
        for name in 'ab':
            if not (folder / name).is_file():
                (folder / name).write_text(f'content {name}')
                made.append(name)
        return dict(made=made)

    def stage():
        return Stage('s', tmp_path / 's', {}, [], work)

    assert stage().execute() == dict(made=['a', 'b'])
    path = tmp_path / 's' / 'a'
    if damage == 'delete':
        path.unlink()
    else:
        path.write_text('' if damage == 'truncate' else 'content X')
    if verify:
        assert stage().execute() == dict(made=['a', 'b'])  # sizes agree
    assert stage().execute(verify=verify) == dict(made=['a'])
    assert path.read_text() == 'content a'
    assert stage().execute(verify=True) == dict(made=['a'])  # whole, skipped


@pytest.mark.parametrize('files', [{'../kept.txt': [1, 'x']}, {'/tmp/kept.txt': [1, 'x']}, [1],
                                   {'part1': 3}])
def test_a_hostile_list_of_files_removes_nothing_outside(tmp_path, files):
    work = Work()
    Stage('s', tmp_path / 's', {}, [], work).execute()
    (tmp_path / 'kept.txt').write_text('of another size')
    (tmp_path / 's' / 'files.json').write_text(json.dumps(files))
    with pytest.raises(ValueError, match=r'files\.json" is damaged'):
        Stage('s', tmp_path / 's', {}, [], work).execute()
    assert (tmp_path / 'kept.txt').exists() and (tmp_path / 's' / 'part1').exists()


@pytest.mark.parametrize('text', ['[1]', '3', '[' * 100000])
def test_a_mark_that_is_no_record(tmp_path, text):
    Stage('s', tmp_path / 's', {}, [], Work()).execute()
    (tmp_path / 's' / 'done.json').write_text(text)
    with pytest.raises(ValueError, match=r'done\.json" is damaged'):
        Stage('s', tmp_path / 's', {}, [], Work()).execute()


def test_logs_may_be_deleted(tmp_path):
    def work(folder):
        for name in ('20261125_004213/x.json', '20261125_004213/vis_data/y.json', 'a.png'):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text('x')
        return {}

    Stage('s', tmp_path / 's', {}, [], work).execute()
    assert list(json.loads((tmp_path / 's' / 'files.json').read_text())) == ['a.png']


def test_folders_of_images_named_by_date_are_no_logs(tmp_path):
    name = '20230115_123456/a.png'
    calls = []

    def work(folder):
        calls.append(1)
        for path in (folder / name, folder / 'sub' / name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('x')
        return {}

    Stage('s', tmp_path / 's', {}, [], work).execute()
    assert sorted(json.loads((tmp_path / 's' / 'files.json').read_text())) == [name, f'sub/{name}']
    (tmp_path / 's' / name).unlink()
    Stage('s', tmp_path / 's', {}, [], work).execute()
    assert (tmp_path / 's' / name).is_file() and len(calls) == 2


# -- what a stage of the user may get wrong --------------------------------------------------------
@pytest.mark.parametrize('result', [None, 3.5, [1]])
def test_a_result_that_is_no_dict(tmp_path, result):
    stage = Stage('s', tmp_path / 's', {}, [], lambda folder: result)
    kind = type(result).__name__
    with pytest.raises(TypeError, match=rf'Worker\.run must return a dict.*{kind}'):
        stage.execute()
    assert not stage.is_done


@pytest.mark.parametrize('found', [dict(train=3.), dict(train=dict(maks=3.)), [3.], None])
def test_figures_of_no_column(tmp_path, monkeypatch, found):
    stage = Stage('s', tmp_path / 's', {}, [], Work())
    stage.columns = (Column('mask', 'mask'), )
    monkeypatch.setattr(Worker, 'figures', lambda self, context: found, raising=False)
    with pytest.raises(ValueError, match=r"Worker\.figures must give .* \['mask'\]; it gave"):
        stage.figures_by_split(None)
    found = dict(train=dict(mask=3.))
    monkeypatch.setattr(Worker, 'figures', lambda self, context: found)
    assert stage.figures_by_split(None) == found


@pytest.mark.parametrize(('body', 'message'), [
    (dict(inputs='mask'), r"Odd\.inputs = 'mask' must be a tuple of str"),
    (dict(columns=('area', )), r"Odd\.columns = \('area',\) must be a tuple of Column"),
    (dict(columns=Column('a', 'b')), r'Odd\.columns = .* must be a tuple of Column'),
    (None, 'Odd is no child of Stage')])
def test_what_a_class_says_of_itself(config, tmp_path, body, message):
    kind = type('Odd', (object, ) if body is None else (Base, ), body or {})
    STAGES.register_module(name='Odd', module=kind, force=True)
    config.pipeline.stages = dict(odd=dict(type='Odd'))
    with pytest.raises(TypeError, match=rf'pipeline\.stages\.odd: {message}'):
        Pipeline(config, tmp_path)


@pytest.mark.parametrize('found', [np.ones(3), 'text', dict(a='b'), dict(a=np.ones(2))])
def test_a_metric_that_gives_no_numbers(monkeypatch, found):
    metric = SimpleNamespace(prefix=None, results=[], process=None,
                             compute_metrics=lambda results: found)
    monkeypatch.setattr(METRICS, 'build', lambda cfg: metric)
    context = SimpleNamespace(options=dict(metrics=[{}]))
    split = SimpleNamespace(dataset=SimpleNamespace(metainfo={}), names=[])
    with pytest.raises(TypeError, match='compute_metrics must give a dict of numbers; it gave'):
        MetricsStage()._score(context, split)
