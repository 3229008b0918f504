"""Checkpoints are whole or absent at every moment, and the safe loader reads them."""

import math
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mmwsss.engine import WSSSCheckpointHook
from mmwsss.engine.hooks.checkpoint_hook import to_plain
from mmwsss.engine.hooks.finite import check_losses
from mmwsss.utils import load_checkpoint_safely, register_safe_loader
from mmwsss.utils.io import remove


class Numbers(Dataset):
    metainfo = dict(classes=('a', ), sizes=np.arange(2), scale=np.float32(0.5))

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return dict(x=torch.full((2, ), float(index)))


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(2, 1)
        self.head = nn.BatchNorm1d(1)

    def forward(self, x, mode):
        return dict(loss=(self.head(self.backbone(torch.stack(x))) - torch.rand(1)).square().mean())


class Score(Hook):
    """Stands for a validation after each epoch but the last."""

    def __init__(self, scores):
        self.scores = scores

    def before_train_epoch(self, runner):
        if runner.epoch:
            hook = next(hook for hook in runner.hooks if isinstance(hook, WSSSCheckpointHook))
            hook.after_val_epoch(runner, {'seed/mIoU': self.scores[runner.epoch - 1]})


def make_runner(folder, hook=None, epochs=3, hooks=None, accumulate=1, **kwargs):
    register_safe_loader()
    return Runner(
        Model(), str(folder),
        train_dataloader=dict(
            batch_size=2, num_workers=0, dataset=Numbers(), sampler=dict(type='EpochSampler'),
            collate_fn=dict(type=pseudo_collate)),
        default_scope='mmwsss',
        train_cfg=dict(type='WSSSTrainLoop', max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01), accumulative_counts=accumulate),
        param_scheduler=[
            dict(type='MaxStepPolyLR', end=epochs, by_epoch=True, convert_to_iter_based=True),
            dict(type='OneCycleLR', eta_max=0.01, total_steps=100, by_epoch=False)],
        default_hooks=dict(checkpoint=dict(type='WSSSCheckpointHook', **(hook or {}))),
        custom_hooks=hooks, randomness=dict(seed=3), experiment_name=f'{folder}_{id(hook)}',
        **kwargs)


def files(folder):
    return sorted(path.name for path in Path(folder).glob('*.pth'))


def test_old_files_go_only_when_the_new_one_is_whole(tmp_path, monkeypatch):
    events = []
    replace = os.replace

    def whole():
        """The file that last_checkpoint names is there and can be read."""
        last = tmp_path / 'last_checkpoint'
        return not last.exists() or 'optimizer' in load_checkpoint_safely(last.read_text())

    def watch(function):
        def wrapper(*args):
            assert whole()
            function(*args)
            assert whole()
            events.append((function.__name__, Path(args[-1]).name))
        return wrapper

    monkeypatch.setattr(os, 'replace', watch(replace))
    monkeypatch.setattr('mmwsss.engine.hooks.checkpoint_hook.remove', watch(remove))
    make_runner(tmp_path, dict(max_keep_ckpts=1)).train()
    assert events == [
        ('replace', 'epoch_1.pth'), ('replace', 'last_checkpoint'),
        ('replace', 'epoch_2.pth'), ('replace', 'last_checkpoint'), ('remove', 'epoch_1.pth'),
        ('replace', 'epoch_3.pth'), ('replace', 'last_checkpoint'), ('remove', 'epoch_2.pth')]
    assert files(tmp_path) == ['epoch_3.pth']
    assert not list(tmp_path.glob('.*'))


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    hook = dict(max_keep_ckpts=1)
    runner = make_runner(tmp_path, hook)

    class Full(Hook):
        def before_train_epoch(self, runner):
            if runner.epoch == 2:
                monkeypatch.setattr(os, 'fsync', lambda fd: (_ for _ in ()).throw(
                    OSError(28, 'No space left on device')))

    runner.register_hook(Full())
    with pytest.raises(OSError, match='No space left'):
        runner.train()
    assert files(tmp_path) == ['epoch_2.pth'] and not list(tmp_path.glob('.*'))
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_2.pth')


def test_files_hold_plain_values_only(tmp_path):
    make_runner(tmp_path).train()
    checkpoint = torch.load(tmp_path / 'epoch_3.pth', weights_only=True)
    assert checkpoint['meta']['iter'] == 9 and checkpoint['meta']['epoch'] == 3
    assert checkpoint['meta']['dataset_meta']['scale'] == 0.5
    assert len(checkpoint['message_hub']['log_scalars']['train/loss']['log_history']) == 9
    # As torch versions know which batch norm they read.
    assert checkpoint['state_dict']._metadata['head']['version'] == 2


@pytest.mark.parametrize('by_epoch, stop', [(True, 1), (False, 4), (False, 5)])
@pytest.mark.parametrize('accumulate', [1, 2])
def test_resume(tmp_path, by_epoch, stop, accumulate):
    hook = dict(by_epoch=by_epoch)
    whole = make_runner(tmp_path / 'whole', hook, accumulate=accumulate)
    whole.train()
    name = f'{"epoch" if by_epoch else "iter"}_{stop}.pth'
    runner = make_runner(
        tmp_path / 'again', dict(hook), accumulate=accumulate,
        load_from=str(tmp_path / 'whole' / name), resume=True)
    runner.train()
    for key, value in whole.model.state_dict().items():
        assert value.equal(runner.model.state_dict()[key]), key
    history = runner.message_hub.get_scalar('train/loss')
    assert isinstance(history, HistoryBuffer)
    assert np.array_equal(history.data[0], whole.message_hub.get_scalar('train/loss').data[0])
    for mine, yours in zip(whole.optim_wrapper.param_groups, runner.optim_wrapper.param_groups):
        assert mine['lr'] == yours['lr']


def test_interval_begin_and_last(tmp_path):
    make_runner(tmp_path / 'a', dict(by_epoch=False, interval=4)).train()
    assert files(tmp_path / 'a') == ['iter_4.pth', 'iter_8.pth', 'iter_9.pth']
    make_runner(tmp_path / 'b', dict(interval=2, save_last=False, save_optimizer=False)).train()
    assert files(tmp_path / 'b') == ['epoch_2.pth']
    assert 'optimizer' not in load_checkpoint_safely(tmp_path / 'b/epoch_2.pth')
    make_runner(tmp_path / 'c', dict(interval=-1, save_last=False)).train()
    assert files(tmp_path / 'c') == []


def test_kept_files_are_counted_after_resume(tmp_path):
    make_runner(tmp_path, dict(max_keep_ckpts=2), epochs=2).train()
    make_runner(tmp_path, dict(max_keep_ckpts=2), epochs=4, resume=True).train()
    assert files(tmp_path) == ['epoch_3.pth', 'epoch_4.pth']


@pytest.mark.parametrize('rule, best', [('greater', 'epoch_2'), ('less', 'epoch_1')])
def test_best(tmp_path, rule, best):
    hook = dict(save_best='seed/mIoU', rule=rule, max_keep_ckpts=1)
    runner = make_runner(tmp_path, hook, epochs=4, hooks=[Score([0.4, 0.6, 0.5])])
    runner.train()
    assert files(tmp_path) == [f'best_seed_mIoU_{best}.pth', 'epoch_4.pth']
    last = load_checkpoint_safely(tmp_path / 'epoch_4.pth')
    assert last['message_hub']['runtime_info']['best_score'] == (0.6 if rule == 'greater' else 0.4)


def test_unknown_metric(tmp_path):
    runner = make_runner(tmp_path, dict(save_best='mIoU'), hooks=[Score([0.4, 0.6])])
    with pytest.raises(ValueError, match="none of the validation metrics .'seed/mIoU'"):
        runner.train()


@pytest.mark.parametrize('options, match', [
    (dict(rule='more'), "must be 'greater' or 'less'"), (dict(interval=0), 'must be -1 or'),
    (dict(max_keep_ckpts=0), 'must be -1 or')])
def test_bad_options(options, match):
    with pytest.raises(ValueError, match=match):
        WSSSCheckpointHook(**options)


# A checkpoint that runs code: mmengine parses the configs in it as Python.
CODE = 'import os\nos.mkdir({!r})\ncustom_imports = dict(imports=["antigravity"])\n'


def forge(source, target, canary):
    checkpoint = torch.load(source, weights_only=True)
    for part in (checkpoint['meta'], checkpoint['message_hub']['runtime_info']):
        part.update(config=CODE.format(str(canary)), cfg=CODE.format(str(canary)))
    torch.save(checkpoint, target)


@pytest.mark.parametrize('road', ['resume', 'load_from', 'work dir'])
def test_a_hostile_checkpoint_runs_nothing_and_a_legal_one_resumes(tmp_path, road):
    canary = tmp_path / 'canary'
    whole = make_runner(tmp_path / 'whole')
    whole.train()
    work_dir = tmp_path / 'again'
    work_dir.mkdir()
    forge(tmp_path / 'whole/epoch_1.pth', work_dir / 'epoch_1.pth', canary)
    if road == 'work dir':
        (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_1.pth'))
        runner = make_runner(work_dir, resume=True)
    else:
        runner = make_runner(work_dir, load_from=str(work_dir / 'epoch_1.pth'),
                             resume=road == 'resume')
    runner.train()
    assert not canary.exists()
    if road != 'load_from':
        for key, value in whole.model.state_dict().items():
            assert value.equal(runner.model.state_dict()[key]), key


def test_the_text_of_a_config_is_kept(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(meta=dict(config='x = 1', cfg='y = 2', epoch=3)), path)
    assert load_checkpoint_safely(path)['meta'] == dict(
        config_text='x = 1', cfg_text='y = 2', epoch=3)


def test_names_in_a_checkpoint_delete_no_other_file(tmp_path):
    make_runner(tmp_path, epochs=1).train()
    checkpoint = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    checkpoint['message_hub']['runtime_info'].update(
        kept_ckpts=['../stage.json', 'stage.json'], old_ckpts=['stage.json', 'epoch_9.pth'])
    for name in ('kept_ckpts', 'old_ckpts'):
        checkpoint['message_hub']['resumed_keys'][name] = True
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    (tmp_path / 'stage.json').touch()
    (tmp_path / 'epoch_9.pth').touch()
    make_runner(tmp_path, dict(max_keep_ckpts=1), epochs=2, resume=True).train()
    assert (tmp_path / 'stage.json').exists() and not (tmp_path / 'epoch_9.pth').exists()


def test_what_a_killed_run_left_behind_goes_on_resume(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def die(path):
        raise Killed

    monkeypatch.setattr('mmwsss.engine.hooks.checkpoint_hook.remove', die)
    with pytest.raises(Killed):  # last_checkpoint names epoch_2, epoch_1 is still there
        make_runner(tmp_path, dict(max_keep_ckpts=1)).train()
    (tmp_path / '.epoch_3.pth.abcd1234').touch()
    monkeypatch.undo()
    make_runner(tmp_path, dict(max_keep_ckpts=1), resume=True).train()
    assert files(tmp_path) == ['epoch_3.pth'] and not list(tmp_path.glob('.*'))


def test_weights_alone_cannot_be_resumed(tmp_path):
    path = str(tmp_path / 'weights.pth')
    torch.save(Model().state_dict(), path)
    with pytest.raises(ValueError, match='weights.pth" holds weights only.*without --resume'):
        make_runner(tmp_path, load_from=path, resume=True, cfg=dict(
            resume=True, load_from=path)).train()


class Explode(Hook):
    """Makes a parameter NaN at the end of a step, or the loss of one."""

    priority = 'HIGH'

    def __init__(self, step, parameter):
        self.step, self.parameter = step, parameter

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if not self.parameter and runner.iter == self.step:
            data_batch['x'][0].fill_(math.inf)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.parameter and runner.iter == self.step:
            with torch.no_grad():
                runner.model.backbone.bias.fill_(math.nan)


def test_training_stops_at_the_first_loss_that_is_no_number(tmp_path):
    runner = make_runner(tmp_path, hooks=[Explode(4, False)])
    with pytest.raises(FloatingPointError) as error:
        runner.train()
    text = str(error.value)
    assert 'loss term "loss" is nan at step 5 (epoch 2)' in text and 'epoch_1.pth' in text
    assert files(tmp_path) == ['epoch_1.pth'] and runner.iter == 4
    assert all(value.isfinite().all() for value in load_checkpoint_safely(
        (tmp_path / 'last_checkpoint').read_text())['state_dict'].values())


def test_weights_that_are_no_number_are_not_saved(tmp_path):
    # After the last step of the epoch, so that no loss tells.
    runner = make_runner(tmp_path, hooks=[Explode(5, True)])
    with pytest.raises(FloatingPointError, match='weight "backbone.bias".*after step 6.*epoch_1'):
        runner.train()
    assert files(tmp_path) == ['epoch_1.pth'] and not list(tmp_path.glob('.*'))
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_1.pth')


def test_the_term_is_named(tmp_path):
    runner = make_runner(tmp_path)
    outputs = dict(loss=torch.tensor(math.nan), loss_cls=torch.tensor(1.),
                   **{'sie.loss_kt': torch.tensor(math.inf), 'loss_z': torch.tensor(math.nan)})
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    with pytest.raises(FloatingPointError, match='"sie.loss_kt" is inf at step 1 .epoch 1'):
        check_losses(runner, outputs)
    check_losses(runner, dict(outputs, loss=torch.tensor(1.)))


def test_to_plain():
    value = OrderedDict(
        a=np.float64(1.5), b=[np.int64(2), (np.bool_(True), None)], c=np.arange(3), d=Path('x'),
        e={'s': {1, 2}}, f=torch.ones(1), g=True)
    plain = to_plain(value)
    assert isinstance(plain, OrderedDict) and type(plain['a']) is float and plain['g'] is True
    assert plain['b'] == [2, (True, None)] and type(plain['b'][0]) is int
    assert plain['c'].tolist() == [0, 1, 2] and plain['d'] == 'x'
    with pytest.raises(TypeError, match=r'message_hub\.x\[1\] is a Numbers'):
        to_plain(dict(x=[1, Numbers()]), 'message_hub')
