"""Two networks in one loop: phases, EMA beside them, and everything composed in one config."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

import mmwsss.datasets  # noqa: F401
from mmwsss.engine import Bfloat16OptimWrapper
from mmwsss.models import WSSSClassifier
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

C = 3
EADER = dict(type='AdversarialErasing')
ALTERNATE = [dict(optim='localizer', steps=2), dict(optim='adversary', steps=1)]


@pytest.fixture(autouse=True)
def frozen_and_random(monkeypatch):
    """These networks have frozen norms and no weights, on purpose."""
    monkeypatch.setenv('MMWSSS_ALLOW_FROZEN', '1')


@MODELS.register_module(force=True)
class PhaseBackbone(BaseModule):
    """A frozen first layer, batch statistics, stride 4."""

    def __init__(self, norm_eval=False):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 2, 1).requires_grad_(False)
        self.norm = nn.BatchNorm2d(6)
        self.conv = nn.Conv2d(6, 6, 3, 2, 1)
        self.norm_eval = norm_eval

    def train(self, mode=True):
        super().train(mode)
        if self.norm_eval:
            self.norm.eval()
        return self

    def forward(self, x):
        return (self.conv(self.norm(self.stem(x)).relu()).tanh(), )


class Images(Dataset):
    """Noise with labels, one or two views."""

    metainfo = dict(classes=('a', 'b', 'c'))

    def __init__(self, size=6, views=('image', )):
        self.size = size
        self.views = views

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(int(index))
        inputs, samples = {}, {}
        for view in self.views:
            inputs[view] = torch.randint(
                256, (3, 16, 16), generator=generator, dtype=torch.uint8)
            label = (torch.rand(C, generator=generator) > 0.5).float()
            label[index % C] = 1
            samples[view] = WSSSDataSample(gt_label=label)
        return dict(inputs=inputs, data_samples=samples)


def network(norm_eval=False, **head):
    return dict(
        backbone=dict(type='PhaseBackbone', norm_eval=norm_eval),
        head=dict(type='GAPHead', num_classes=C, in_channels=6, **head))


def classifier(modules=(EADER, ), adversary=True, norm_eval=False, head=None, **kwargs):
    torch.manual_seed(0)
    networks = dict(adversary=dict(type='CAMNetwork', **network(norm_eval))) if adversary else None
    return WSSSClassifier(
        **network(norm_eval, **(head or {})), modules=modules, networks=networks, **kwargs)


def optimizers(model, accumulate=1, wrapper=OptimWrapper, **parts):
    parts = parts or dict(
        localizer=[*model.backbone.parameters(), *model.head.parameters()],
        adversary=[*model.networks.adversary.parameters()])
    return OptimWrapperDict(**{
        name: wrapper(
            torch.optim.SGD(parameters, lr=0.05, momentum=0.9), accumulative_counts=accumulate)
        for name, parameters in parts.items()})


def make_runner(work_dir, model, optim=None, views=('image', ), batch_size=2, checkpoints=False,
                hooks=None, load_from=None, resume=False, runner_cfg=None, **train_cfg):
    train_cfg.setdefault('max_iters', 6)
    if optim is None:
        optim = optimizers(model)
        train_cfg.setdefault('phases', ALTERNATE)
    return Runner(
        model, str(work_dir),
        train_dataloader=dict(
            batch_size=batch_size, num_workers=0, dataset=Images(views=views), drop_last=True,
            sampler=dict(type='EpochSampler'), collate_fn=dict(type=pseudo_collate)),
        default_scope='mmwsss',
        train_cfg=dict(type='WSSSTrainLoop', **train_cfg),
        optim_wrapper=optim,
        default_hooks=dict(checkpoint=dict(
            type='WSSSCheckpointHook', interval=1 if checkpoints else -1, by_epoch=False)),
        custom_hooks=hooks, load_from=load_from, resume=resume,
        randomness=dict(seed=3), experiment_name=f'{work_dir.name}_{id(model)}',
        **(runner_cfg or {}))


class Watch(Hook):
    """Which parts changed in each step, and which losses were logged."""

    priority = 'LOWEST'

    def __init__(self):
        self.moved = []
        self.logged = []

    def before_train_iter(self, runner, *args, **kwargs):
        self.before = {k: v.clone() for k, v in runner.model.named_parameters()}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        moved = {name.split('.')[0] for name, value in runner.model.named_parameters()
                 if not value.equal(self.before[name])}
        self.moved.append(moved)
        self.logged.append(set(outputs))


# -- phases ----------------------------------------------------------------------------------------
def test_each_phase_moves_its_own_parameters(tmp_path):
    watch = Watch()
    model = classifier()
    stem = model.backbone.stem.weight.clone()
    make_runner(tmp_path, model, hooks=[watch]).train()
    student, adversary = {'backbone', 'head'}, {'networks'}
    assert watch.moved == [student, student, adversary] * 2
    localizer = {'loss', 'loss_cls', 'eader.loss_am', 'eader.loss_reg'}
    assert watch.logged == [localizer, localizer, {'loss', 'eader.loss_adv'}] * 2
    # What was frozen by the config stays so, although its optimizer holds it.
    assert model.backbone.stem.weight.equal(stem)
    assert not model.backbone.stem.weight.requires_grad
    assert model.backbone.conv.weight.requires_grad  # given back at the end


def test_phases_by_epoch(tmp_path):
    phases = [dict(optim='adversary', epochs=1), dict(optim='localizer', epochs=2)]
    model = classifier()
    runner = make_runner(tmp_path, model, optimizers(model), max_iters=None, max_epochs=4,
                         phases=phases)
    loop = runner.build_train_loop(runner._train_loop)
    assert [loop.phase_at(i)[0] for i in range(12)] == list('aaalllllla' 'aa')


@pytest.mark.parametrize('stop', [1, 2, 4])
def test_resumed_inside_a_phase_equals_never_killed(tmp_path, stop):
    def run(name, **kwargs):
        model = classifier([EADER, dict(type='MultiScaleAttention')], teacher=True)
        runner = make_runner(
            tmp_path / name, model, checkpoints=True, ema=dict(momentum=0.5),
            runner_cfg=dict(param_scheduler=dict(
                localizer=[dict(type='LinearLR', start_factor=0.1, end=6, by_epoch=False)],
                adversary=[dict(type='PolyLR', power=2., end=6, by_epoch=False)])), **kwargs)
        runner.train()
        rates = {name: wrapper.get_lr()['lr'] for name, wrapper in runner.optim_wrapper.items()}
        # Each optimizer has its own schedule, over all steps of the run.
        assert rates['localizer'] == [pytest.approx(0.05)]
        assert rates['adversary'] == [pytest.approx(0.)]
        return model.state_dict()

    whole = run('whole')
    resumed = run('again', load_from=str(tmp_path / f'whole/iter_{stop}.pth'), resume=True)
    assert any(key.startswith('teacher.') for key in whole)
    for name, value in whole.items():
        assert value.equal(resumed[name]), name


def test_gradient_accumulation_counts_the_steps_of_its_own_phase(tmp_path):
    watch = Watch()
    model = classifier()
    phases = [dict(optim='localizer', steps=2), dict(optim='adversary', steps=2)]
    make_runner(tmp_path, model, optimizers(model, accumulate=2), phases=phases, max_iters=7,
                hooks=[watch]).train()
    student, adversary = {'backbone', 'head'}, {'networks'}
    # The seventh step is the last of its optimizer, so what has gathered is used.
    assert watch.moved == [set(), student, set(), adversary, set(), student, adversary]


# -- EMA -------------------------------------------------------------------------------------------
def test_the_teacher_follows_the_students_steps_only(tmp_path):
    model = classifier([EADER, dict(type='MultiScaleAttention')], teacher=True)
    seen = []

    class Record(Hook):
        priority = 'LOWEST'

        def after_train_iter(self, runner, *args, **kwargs):
            seen.append((model.head.classifier.weight.detach().clone(),
                         model.teacher.head.classifier.weight.clone()))

    start = model.head.classifier.weight.detach().clone()
    make_runner(tmp_path, model, ema=dict(momentum=0.9), hooks=[Record()], max_iters=5).train()
    expected = start
    for step, (student, teacher) in enumerate(seen):
        if step % 3 != 2:  # not in the adversary's phase
            expected = 0.9 * expected + 0.1 * student
        torch.testing.assert_close(teacher, expected)
    assert not any(p.requires_grad for p in model.teacher.parameters())
    assert model.training and not model.teacher.training
    # Batch statistics are the student's.
    assert model.teacher.backbone.norm.running_mean.equal(model.backbone.norm.running_mean)


def test_a_checkpoint_without_teacher_cannot_be_resumed(tmp_path):
    make_runner(tmp_path / 'a', classifier(), checkpoints=True).train()
    with pytest.raises(ValueError, match='has no teacher'):
        make_runner(tmp_path / 'b', classifier(teacher=True), ema=dict(momentum=0.9),
                    load_from=str(tmp_path / 'a/iter_2.pth'), resume=True).train()
    # To start from it is fine: the teacher begins at the student.
    make_runner(tmp_path / 'c', classifier(teacher=True), ema=dict(momentum=0.9),
                load_from=str(tmp_path / 'a/iter_2.pth')).train()


# -- errors ----------------------------------------------------------------------------------------
@pytest.mark.parametrize('phases, match', [
    (None, 'say in train_cfg.phases when each'),
    ([dict(optim='localizer', steps=2)], 'optimizer "adversary" has no phase'),
    ([*ALTERNATE, dict(optim='critic', steps=1)], 'no optimizer "critic"'),
    ([dict(optim='localizer', steps=2), dict(optim='adversary', epochs=1)], 'all lengths in steps'),
    ([dict(optim='localizer', steps=0), dict(optim='adversary', steps=1)], 'must last at least 1'),
])
def test_bad_phases(tmp_path, phases, match):
    model = classifier()
    with pytest.raises(ValueError, match=match):
        make_runner(tmp_path, model, optimizers(model), phases=phases).train()


def test_a_phase_without_parameters(tmp_path):
    model = classifier()
    optim = optimizers(model, localizer=[*model.head.parameters()],
                       adversary=[*model.backbone.stem.parameters()])  # frozen
    with pytest.raises(ValueError, match='phase "adversary": .* no parameters to train'):
        make_runner(tmp_path, model, optim, phases=ALTERNATE).train()


def test_phases_on_several_processes_leave_parameters_unused(tmp_path):
    model = classifier()
    model.find_unused_parameters = False  # as a MMDistributedDataParallel that was not told so
    with pytest.raises(ValueError, match='set find_unused_parameters=True'):
        make_runner(tmp_path, model).train()


@pytest.mark.parametrize('momentum', [-0.1, 1., 1.5])
def test_momentum_out_of_range(tmp_path, momentum):
    with pytest.raises(ValueError, match=r'must be in \[0, 1\)'):
        make_runner(tmp_path, classifier(teacher=True), ema=dict(momentum=momentum)).train()


def test_a_phase_in_which_nothing_is_learnt(tmp_path):
    model = classifier([dict(EADER, begin=1)])
    with pytest.raises(ValueError, match='nothing to learn in phase "adversary"'):
        make_runner(tmp_path, model).train()


# -- all together ----------------------------------------------------------------------------------
@pytest.mark.parametrize('norm_eval', [True, False])  # views batched, or one by one
def test_eader_rcm_mam_and_ktse_in_one_config(tmp_path, norm_eval):
    modules = [
        EADER,
        dict(type='RegionalContrast', num_classes=C, embed_channels=4),
        dict(type='MultiScaleAttention'),
        dict(type='SimulatedInterImageErasing', num_pairs=1),
        dict(type='SelfSupervisedRegularization', refiner=None),
        dict(type='MultiGranularityAlignment'),
    ]
    model = classifier(modules, norm_eval=norm_eval, teacher=True,
                       head=dict(embed_channels=4, background=True))
    watch = Watch()
    make_runner(tmp_path, model, views=('image', 'paired'), ema=dict(momentum=0.9), hooks=[watch],
                max_iters=4).train()
    terms = {'loss', 'loss_cls', 'eader.loss_am', 'eader.loss_reg', 'rcm.loss_contrast',
             'mam.loss_attention', 'sie.loss_kt', 'ssr.loss_intra', 'ssr.loss_inter',
             'ssr.loss_intra_concat', 'mga.loss_global', 'mga.loss_local'}
    assert watch.logged == [terms, terms, {'loss', 'eader.loss_adv'}, terms]
    student = {'backbone', 'head', 'teacher'}
    assert watch.moved == [student, student, {'networks'}, student]
    assert all(value.isfinite().all() for value in model.state_dict().values())


# -- the two systems on their own ------------------------------------------------------------------
SYSTEMS = dict(
    eader=lambda: (classifier(norm_eval=True), {}),
    rcm_mam=lambda: (
        classifier(
            [dict(type='RegionalContrast', num_classes=C, embed_channels=4, aggregate='sum'),
             dict(type='MultiScaleAttention')],
            adversary=False, norm_eval=True, teacher=True, head=dict(embed_channels=4)),
        dict(ema=dict(momentum=0.5))))


class Losses(Hook):
    def __init__(self):
        self.rows = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.rows.append({key: float(value) for key, value in outputs.items()})


def train_system(system, work_dir, batch_size, wrapper=OptimWrapper, **runner_cfg):
    """Losses of all steps and the weights at the end."""
    model, train_cfg = SYSTEMS[system]()
    optim = None
    if model.networks:
        train_cfg['phases'] = ALTERNATE
        optim = optimizers(model, wrapper=wrapper)
    else:
        optim = dict(type=wrapper, optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
    losses = Losses()
    make_runner(Path(work_dir), model, optim, batch_size=batch_size, hooks=[losses],
                runner_cfg=runner_cfg, **train_cfg).train()
    return losses.rows, model.state_dict()


# -- mixed precision, compilation ------------------------------------------------------------------
@pytest.mark.parametrize('system', ['eader', 'rcm_mam'])
def test_mixed_precision(tmp_path, system):
    rows, _ = train_system(system, tmp_path / 'full', 2)
    mixed, state = train_system(system, tmp_path / 'mixed', 2, wrapper=Bfloat16OptimWrapper)
    for full, half in zip(rows, mixed):
        assert half == pytest.approx(full, rel=0.05, abs=1e-3)
    assert rows != mixed
    assert all(value.dtype != torch.bfloat16 for value in state.values())


@pytest.mark.slow
@pytest.mark.parametrize('system', ['eader', 'rcm_mam'])
def test_compiled(tmp_path, system):
    """Traced by torch.compile, without code generation: the graph and its guards are right."""
    rows, _ = train_system(system, tmp_path / 'eager', 2)
    compiled, _ = train_system(
        system, tmp_path / 'compiled', 2, cfg=dict(compile=dict(backend='eager')))
    for one, other in zip(rows, compiled):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)


# -- two processes ---------------------------------------------------------------------------------
def one_of_two(system, work_dir):
    """What each process runs."""
    rank = int(os.environ['RANK'])
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{work_dir}/meet', rank=rank, world_size=2)
    result = train_system(
        system, work_dir, 1, launcher='pytorch', cfg=dict(
            model_wrapper_cfg=dict(
                type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False,
                find_unused_parameters=True)))
    torch.save(result, f'{work_dir}/rank{rank}.pth')
    torch.distributed.destroy_process_group()  # or gloo's threads may abort at exit


@pytest.mark.slow
@pytest.mark.parametrize('system', SYSTEMS)
def test_two_processes_equal_one_with_the_doubled_batch(tmp_path, system):
    """Batch statistics are fixed, as those are per process by nature."""
    code = (f'import mmwsss, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); '
            f'import test_phases; test_phases.one_of_two({system!r}, {str(tmp_path)!r})')
    processes = [
        subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True,
                         env={**os.environ, 'RANK': str(rank), 'WORLD_SIZE': '2',
                              'LOCAL_RANK': str(rank), 'OMP_NUM_THREADS': '1'})
        for rank in range(2)]
    for process in processes:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr[-3000:]
    rows, state = train_system(system, tmp_path / 'one', 2)
    for rank in range(2):
        found_rows, found = torch.load(tmp_path / f'rank{rank}.pth', weights_only=True)
        for mine, theirs in zip(rows, found_rows):
            assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-6)
        for name, value in state.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)
    assert len(rows) == 6
