"""The EMA teacher in mmengine's own loop."""

import copy

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset


class Numbers(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(x=torch.full((2, ), float(index)))


class Model(BaseModel):
    def __init__(self, teacher=True):
        super().__init__()
        self.backbone = nn.Linear(2, 2)
        self.head = nn.BatchNorm1d(2)
        self.teacher = copy.deepcopy(self).requires_grad_(False) if teacher else None
        nn.init.zeros_(self.backbone.weight)
        self.seen = []

    def forward(self, x, mode):
        self.seen.append((self.backbone.weight.detach().clone(),
                          None if self.teacher is None else self.teacher.backbone.weight.clone()))
        return dict(loss=self.head(self.backbone(torch.stack(x)) + 1).mean()
                    + self.backbone.weight.sum())


def train(tmp_path, model, loop=None, **hook):
    Runner(
        model, str(tmp_path), default_scope='mmwsss',
        train_dataloader=dict(
            batch_size=2, num_workers=0, dataset=Numbers(), sampler=dict(type='EpochSampler'),
            collate_fn=dict(type=pseudo_collate)),
        train_cfg=loop or dict(type='EpochBasedTrainLoop', max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[dict(type='EMATeacherHook', **hook)],
        experiment_name=f'ema_{id(model)}').train()


def test_teacher_follows(tmp_path):
    model = Model()
    train(tmp_path, model, momentum=0.75)
    assert len(model.seen) == 4
    start, teacher = model.seen[0]
    assert teacher.equal(start)  # begins at the student
    students = [student for student, _ in model.seen[1:]] + [model.backbone.weight.detach()]
    expected = start
    for student in students:
        expected = 0.75 * expected + 0.25 * student
    torch.testing.assert_close(model.teacher.backbone.weight, expected)
    assert not expected.equal(start)


def test_errors(tmp_path):
    with pytest.raises(ValueError, match='set teacher=True'):
        train(tmp_path / 'a', Model(teacher=False), momentum=0.5)
    with pytest.raises(ValueError, match=r'must be in \[0, 1\)'):
        train(tmp_path / 'b', Model(), momentum=1.)
