"""WSSSTrainLoop on a toy model: order, batch sizes, resume, EMA."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset, pseudo_collate
from mmengine.model import BaseModel
from mmengine.runner import BaseLoop, Runner
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

from mmwsss.datasets.samplers import EpochSampler
from mmwsss.engine.loops import EMA, WSSSTrainLoop


class Numbers(Dataset):
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return dict(index=int(index), epoch=getattr(index, 'epoch', -1))


class Toy(BaseModel):
    """Logs what it is given and draws random numbers in every step."""

    def __init__(self, teacher=False):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(2, 2)
        self.head = nn.BatchNorm1d(2)
        self.other = nn.Linear(2, 1)
        self.teacher = copy.deepcopy(self).requires_grad_(False) if teacher else None
        self.loaded_networks = None
        self.log = []

    def set_progress(self, progress):
        self.progress = progress

    def trains(self, network):
        return True

    def forward(self, index, epoch, mode):
        noise = torch.rand(len(index), 2)
        self.log.append((self.progress, list(index), list(epoch), noise.sum().item()))
        out = self.head(self.backbone(noise + torch.tensor(index)[:, None]))
        return dict(loss=out.square().mean() + self.other(noise).square().mean())


def make_runner(tmp_path, train_cfg, model=None, size=10, optim=None, dataset=None,
                **kwargs):
    return Runner(
        model or Toy(),
        str(tmp_path),
        train_dataloader=dict(
            batch_size=2, num_workers=0, dataset=dataset or Numbers(size),
            sampler=dict(type=EpochSampler), drop_last=True, collate_fn=dict(type=pseudo_collate)),
        train_cfg=dict(type=WSSSTrainLoop, **train_cfg),
        optim_wrapper=optim or dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9)),
        default_hooks=dict(checkpoint=dict(type='WSSSCheckpointHook', interval=1, by_epoch=False)),
        default_scope='mmwsss',
        randomness=dict(seed=7),
        experiment_name=f'{tmp_path.name}_{id(tmp_path)}',
        **kwargs)


def test_batch_size_changes_at_an_epoch(tmp_path):
    runner = make_runner(tmp_path, dict(max_epochs=3, batch_size=[(0, 2), (1, 4)]))
    model = runner.train()
    sizes = [len(index) for _, index, *_ in model.log]
    assert sizes == [2] * 5 + [4] * 2 + [4] * 2
    assert runner.train_loop.max_iters == 9 == runner.iter
    assert [p.epoch for p, *_ in model.log] == [0] * 5 + [1] * 2 + [2] * 2
    assert [p.fraction for p, *_ in model.log[5:]] == [0, 0.5, 0, 0.5]
    assert all(set(epoch) == {p.epoch} for p, _, epoch, _ in model.log)
    assert sorted(sum((index for _, index, *_ in model.log[:5]), [])) == list(range(10))


def test_iterations(tmp_path):
    runner = make_runner(tmp_path, dict(max_iters=7))
    assert len(runner.train().log) == 7
    assert runner.train_loop.max_epochs == 2


@pytest.mark.parametrize('stop', [2, 5, 7])
def test_resumed_equals_never_killed(tmp_path, stop):
    cfg = dict(max_epochs=3, batch_size=[(0, 2), (1, 4)])
    whole = make_runner(tmp_path / 'whole', cfg).train()
    make_runner(tmp_path / 'first', cfg).train()
    resumed = make_runner(
        tmp_path / 'second', cfg, load_from=str(tmp_path / f'first/iter_{stop}.pth'), resume=True)
    model = resumed.train()
    assert model.log == whole.log[stop:]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


class Files(BaseDataset):
    """An image file each."""

    def load_data_list(self):
        return [dict(img_path=str(path)) for path in sorted(Path(self.data_root).iterdir())]

    def __getitem__(self, index):
        return dict(index=int(index), epoch=getattr(index, 'epoch', -1))


@pytest.mark.parametrize('wrapped', [
    lambda data: data, lambda data: RepeatDataset(data, 2),
    lambda data: ConcatDataset([data, data])])
def test_damaged_images_are_found_before_the_first_step(tmp_path, wrapped):
    images, model = tmp_path / 'images', Toy()
    images.mkdir()
    for index in range(4):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(images / f'{index}.png')
    dataset = wrapped(Files(data_root=str(images)))
    make_runner(tmp_path / 'a', dict(max_iters=1), model, dataset=dataset).train()
    assert len(model.log) == 1
    (images / '3.png').write_bytes((images / '3.png').read_bytes()[:-9])
    with pytest.raises(ValueError, match='1 of 4 images are damaged, first: .*3.png'):
        make_runner(tmp_path / 'b', dict(max_iters=1), model, dataset=dataset).train()
    assert len(model.log) == 1


def test_ema(tmp_path):
    model = Toy(teacher=True)
    start = model.backbone.weight.detach().clone()
    seen = []
    runner = make_runner(tmp_path, dict(max_iters=3, ema=dict(momentum=0.9)), model)
    loop = runner.build_train_loop(runner._train_loop)
    assert isinstance(loop.ema, EMA)
    update = loop.ema.update

    def record(model, step):
        seen.append(model.backbone.weight.detach().clone())
        update(model, step)

    loop.ema.update = record
    runner._train_loop = loop
    runner.train()
    expected = start
    for weight in seen:
        expected = 0.9 * expected + 0.1 * weight
    assert len(seen) == 3
    torch.testing.assert_close(model.teacher.backbone.weight, expected)
    assert torch.equal(model.teacher.head.running_mean, model.head.running_mean)


def test_ema_warmup_and_averaged_buffers():
    model = Toy(teacher=True)
    EMA(0.5).copy(model)
    with torch.no_grad():
        model.backbone.weight.add_(1)
        model.head.running_mean.add_(1)
    before = model.teacher.backbone.weight.clone()
    EMA(0.99, warmup=10, buffers='average').update(model, 0)  # momentum (1 + 0) / (10 + 0)
    torch.testing.assert_close(model.teacher.backbone.weight - before, torch.full((2, 2), 0.9))
    torch.testing.assert_close(model.teacher.head.running_mean, torch.full((2,), 0.9))


@pytest.mark.parametrize('cfg, match', [
    (dict(), 'either max_epochs or max_iters'),
    (dict(max_epochs=1, max_iters=1), 'either max_epochs or max_iters'),
    (dict(max_epochs=0), 'train_cfg.max_epochs=0 must be at least 1'),
    (dict(max_iters=-3), 'train_cfg.max_iters=-3 must be at least 1'),
    (dict(max_epochs=1, batch_size=[(1, 2)]), 'begin at 0'),
    (dict(max_epochs=1, batch_size=[(0, 20)]), 'fewer than one batch of 20'),
    (dict(max_epochs=1, ema=dict(momentum=1.5)), r'momentum=1.5 must be in \[0, 1\)'),
    (dict(max_epochs=1, ema=dict(momentum=0.5)), 'set teacher=True'),
    (dict(max_epochs=1, phases=[dict(steps=3)]), 'must be dict'),
    (dict(max_epochs=1, phases=[dict(optim='a', steps=1)]), 'single optimizer'),
])
def test_bad_options(tmp_path, cfg, match):
    with pytest.raises(ValueError, match=match):
        make_runner(tmp_path, cfg).train()


def test_teacher_without_ema(tmp_path):
    with pytest.raises(ValueError, match='set train_cfg.ema'):
        make_runner(tmp_path, dict(max_epochs=1), Toy(teacher=True)).train()


@pytest.mark.parametrize('stop', [1, 2, 3])
def test_epochs_of_other_lengths_are_refused(tmp_path, stop):
    """As on another number of processes; by iterations there is nothing to refuse."""
    make_runner(tmp_path / 'first', dict(max_epochs=3), size=4).train()  # 2 steps each
    checkpoint = str(tmp_path / f'first/iter_{2 * stop}.pth')
    same = make_runner(tmp_path / 'same', dict(max_epochs=3), size=4, load_from=checkpoint,
                       resume=True)
    assert len(same.train().log) == 6 - 2 * stop
    other = make_runner(tmp_path / 'second', dict(max_epochs=6), size=2, load_from=checkpoint,
                        resume=True)  # 1 step each
    with pytest.raises(ValueError, match=f'after {2 * stop} iterations, but here {2 * stop} iter'):
        other.train()
    by_iteration = make_runner(tmp_path / 'third', dict(max_iters=7), size=2,
                               load_from=checkpoint, resume=True)
    assert len(by_iteration.train().log) == 7 - 2 * stop


class Validation(BaseLoop):
    """Says when it was asked."""

    def __init__(self, runner, dataloader, evaluator):
        super().__init__(runner, dataloader)
        self.asked = []

    def run(self):
        self.asked.append(self.runner.epoch)


@pytest.mark.parametrize('by_epoch', [True, False])
def test_killed_before_the_validation(tmp_path, by_epoch):
    """A run that resumes from the checkpoint of an epoch begins with its validation."""
    data = dict(batch_size=2, num_workers=0, dataset=Numbers(4), sampler=dict(type=EpochSampler),
                collate_fn=dict(type=pseudo_collate))
    length = dict(max_epochs=3) if by_epoch else dict(max_iters=6, val_interval=2)

    def run(name, **kwargs):
        runner = make_runner(tmp_path / name, length, size=4, val_dataloader=data,
                             val_cfg=dict(type=Validation), val_evaluator=[], **kwargs)
        runner.train()
        return runner.val_loop.asked

    assert len(run('first')) == 3
    for iteration, left in ((2, 3), (3, 2), (4, 2), (6, 1)):
        asked = run(f'from {iteration}', load_from=str(tmp_path / f'first/iter_{iteration}.pth'),
                    resume=True)
        assert len(asked) == left, iteration
