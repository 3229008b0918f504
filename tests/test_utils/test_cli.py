import argparse
import os
import sys

import pytest
from mmengine.config import Config, DictAction

from mmwsss.inference import read_config
from mmwsss.utils.cli import at_least, make_parser, merge_options, run_tool


def test_shared_arguments():
    parser = make_parser('A tool.', 'config', 'work_dir', 'device', 'launcher', 'cfg_options')
    args = parser.parse_args(['c.py', '--cfg-options', 'a.b=(1, 2)', 'c=[x]', '--local-rank', '3'])
    assert args.cfg_options == {'a.b': (1, 2), 'c': ['x']}
    assert (args.config, args.device, args.launcher, args.local_rank) == ('c.py', None, 'none', 3)
    with pytest.raises(SystemExit):
        make_parser('', 'launcher').parse_args(['--launcher', 'magic'])


def test_options_change_the_config():
    cfg = Config(dict(train_cfg=dict(max_epochs=3), mine=1))
    merged = merge_options(cfg, {'train_cfg.max_epochs': 5, 'mine': 2, 'resume': True,
                                 'pipeline.cam.flip': False})
    assert merged is cfg and (cfg.train_cfg.max_epochs, cfg.mine, cfg.resume) == (5, 2, True)
    assert cfg.pipeline.cam.flip is False
    assert merge_options(cfg, None) is cfg


def test_options_are_read_as_mmengine_reads_them():
    words = ['a=1', 'b.c=[1,(2,x)]', 'd=None', 'e=1e-3', 'f=k=v', 'a=2']
    ours, theirs = make_parser('', 'cfg_options'), argparse.ArgumentParser()
    theirs.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    found = ours.parse_args(['--cfg-options', *words]).cfg_options
    assert found == theirs.parse_args(['--cfg-options', *words]).cfg_options
    assert found['a'] == 2 and found['e'] == 1e-3
    assert ours.parse_args([]).cfg_options == {}  # the default has not been filled


@pytest.mark.parametrize('words', [['bar'], ['a=1', 'bar'], ['=1']])
def test_what_is_no_option(words, capsys):
    with pytest.raises(SystemExit):
        make_parser('', 'cfg_options').parse_args(['--cfg-options', *words])
    assert f'--cfg-options: "{words[-1]}" is no KEY=VALUE' in capsys.readouterr().err


def test_a_refiner_and_its_options(capsys):
    parser = make_parser('', 'refine')

    def refine(*words):
        return parser.parse_args(['--refine', *words]).refine

    assert parser.parse_args([]).refine is None
    assert refine('crf') == ('crf', {})
    assert refine('crf', 'bg=0.3', 'preset=eps') == ('crf', dict(bg=0.3, preset='eps'))
    assert refine('type=Mine', 'size=(1, 2)') == (None, dict(type='Mine', size=(1, 2)))
    assert refine('alpha=6') == (None, dict(alpha=6))
    with pytest.raises(SystemExit):
        refine('crf', 'psa')
    assert '--refine: "psa" is no KEY=VALUE' in capsys.readouterr().err


def test_integers_from_a_lowest_on(capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument('--n', type=at_least(1))
    assert parser.parse_args(['--n', '3']).n == 3
    for text in ('0', '-2', '1.5', 'x', ''):
        with pytest.raises(SystemExit):
            parser.parse_args([f'--n={text}'])
        assert f'must be an integer of at least 1, not {text}' in capsys.readouterr().err


def test_modules_of_the_command_line_are_imported(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    (tmp_path / 'my_part_of_the_line.py').write_text('')
    options = {'custom_imports.imports': ['my_part_of_the_line']}
    cfg = read_config(Config(dict()), options)
    assert 'my_part_of_the_line' in sys.modules and cfg.custom_imports.imports == [
        'my_part_of_the_line']
    with pytest.raises(TypeError, match='custom_imports.imports=my_module'):
        read_config(Config(dict()), {'custom_imports': 'a'})
    with pytest.raises(ImportError, match='not_there_at_all'):
        read_config(Config(dict()), {'custom_imports': dict(imports='not_there_at_all')})


@pytest.mark.parametrize('key, message', [
    ('trian_cfg.max_epochs', 'no key "trian_cfg"; did you mean train_cfg?'),
    ('piplines', 'did you mean pipeline?'), ('zzz', 'it has train_cfg')])
def test_a_misspelled_key_names_the_nearest(key, message):
    with pytest.raises(KeyError, match=message):
        merge_options(Config(dict(train_cfg=dict(max_epochs=3))), {key: 1})


def test_the_environment_of_a_tool(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
    monkeypatch.setenv('LOCAL_RANK', 'x')  # so that it is put back
    monkeypatch.delenv('LOCAL_RANK')
    args = make_parser('', 'device', 'launcher').parse_args(
        ['--device', 'cpu', '--local_rank', '2'])
    seen = []

    def run(args):
        seen.append((os.environ['LOCAL_RANK'], os.environ['CUDA_VISIBLE_DEVICES'], sys.path[0]))

    assert run_tool(run, args) == 0
    assert seen == [('2', '', str(tmp_path))]
    assert run_tool(lambda args: 1, args) == 1
    monkeypatch.setenv('LOCAL_RANK', '1')  # the launcher's word counts
    run_tool(run, args)
    assert seen[-1][0] == '1'


def test_a_mistake_is_one_line(capsys, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')

    def run(args):
        raise ValueError('no such thing')

    with pytest.raises(SystemExit) as caught:
        run_tool(run, make_parser('').parse_args([]))
    assert caught.value.code == 2 and 'error: no such thing' in capsys.readouterr().err


def test_options_of_a_part_that_is_none():
    cfg = Config(dict(pipeline=dict(segment=None, mask=dict(bg=1))))
    merge_options(cfg, {'pipeline.segment.config': 'a.py'})
    assert cfg.pipeline.segment == dict(config='a.py') and cfg.pipeline.mask == dict(bg=1)


@pytest.mark.parametrize('pipeline', [dict(), dict(mask=dict(type='ThresholdMask', bg=.2))])
def test_an_option_replaces_a_part_whether_it_is_there_or_not(pipeline):
    cfg = Config(dict(pipeline=pipeline))
    merge_options(cfg, {'pipeline.mask': dict(_delete_=True, type='CRFMask', label=dict(a=1))})
    assert cfg.pipeline.mask == dict(type='CRFMask', label=dict(a=1))


def test_options_are_kept_as_typed():
    """To be handed on to another command."""
    args = make_parser('', 'cfg_options').parse_args(
        ['--cfg-opt', 'a=1', 'b=[x, 2]', '--cfg-options=c=3'])
    assert args.cfg_options == {'a': 1, 'b': ['x', 2], 'c': 3}
    again = make_parser('', 'cfg_options').parse_args(['--cfg-options', *args.cfg_options_typed])
    assert again.cfg_options == args.cfg_options


@pytest.mark.parametrize(('key', 'near'), [
    ('param_schedulers', 'param_scheduler'), ('default_hook', 'default_hooks'),
    ('pipelines', 'pipeline')])
def test_keys_of_a_file_that_are_nearly_those_of_a_run(tmp_path, key, near):
    path = tmp_path / 'mine.py'
    path.write_text(f'{key} = dict()\ntrain_pipeline = []\ncrop_size = 3\n')
    with pytest.raises(KeyError, match=f'has the key "{key}", which nothing reads; did you mean '
                                       f'{near}'):
        read_config(path)
    path.write_text('train_pipeline = []\ncrop_size = 3\npipeline = None\n')
    assert read_config(path).crop_size == 3
