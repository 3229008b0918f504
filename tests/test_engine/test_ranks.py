"""What two processes hold in common: statistics, waiting gradients, seed, number of pairs."""

import os
import subprocess
import sys
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmwsss.engine.ranks import mean_gradients, share_statistics


def network():
    torch.manual_seed(0)
    return nn.ModuleDict(dict(norm=nn.BatchNorm2d(2), used=nn.Linear(2, 1), idle=nn.Linear(2, 1),
                              late=nn.Linear(2, 1)))


def work(rank, folder):
    """One of two processes."""
    from mmwsss.engine.batches import Batches
    from mmwsss.models.modules.aeft import repulse_loss
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/init', rank=rank, world_size=2)
    net = network()
    net['norm'].running_mean.copy_(torch.tensor([1., 2.]) + 4 * rank)
    net['norm'].running_var.fill_(0.1)  # equal, and no sum of powers of two
    share_statistics(net)
    net['used'](torch.full((1, 2), 1. + rank)).sum().backward()
    if rank:
        net['late'](torch.ones(1, 2)).sum().backward()
    sampler = SimpleNamespace(seed=None)
    Batches.share_seed(SimpleNamespace(loaders=[
        SimpleNamespace(sampler=sampler, dataset=SimpleNamespace())]), 7 + rank)
    equal = torch.zeros(3, 2)  # three near pairs here, six in all
    torch.save(dict(
        mean=net['norm'].running_mean, var=net['norm'].running_var, gradients=mean_gradients(net),
        seed=sampler.seed, repulse=repulse_loss(equal, equal, torch.ones(3) > 0, min_pairs=4)),
        f'{folder}/{rank}.pt')
    torch.distributed.destroy_process_group()  # or gloo's threads may abort at exit


def test_two_processes(tmp_path):
    jobs = [subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)],
                             env=dict(os.environ, OMP_NUM_THREADS='1')) for rank in range(2)]
    assert [job.wait(timeout=240) for job in jobs] == [0, 0]
    for rank in range(2):
        found = torch.load(tmp_path / f'{rank}.pt', weights_only=True)
        assert found['mean'].tolist() == [3., 4.]
        assert torch.equal(found['var'], torch.full((2, ), 0.1))
        assert set(found['gradients']) == {
            'used.weight', 'used.bias', 'late.weight', 'late.bias'}
        assert found['gradients']['used.weight'].tolist() == [[1.5, 1.5]]
        assert found['gradients']['late.weight'].tolist() == [[0.5, 0.5]]
        assert found['seed'] == 7
        assert found['repulse'] == 0.5


def test_one_process():
    net = network()
    net['norm'].running_mean.fill_(3)
    share_statistics(net)
    assert net['norm'].running_mean.tolist() == [3, 3] and mean_gradients(net) == {}
    net['used'](torch.ones(1, 2)).sum().backward()
    assert set(mean_gradients(net)) == {'used.weight', 'used.bias'}
    net['used'].requires_grad_(False)  # as those of a phase at rest
    assert set(mean_gradients(net)) == {'used.weight', 'used.bias'}


def test_synchronised_norms_stay_frozen():
    from mmwsss.registry import MODELS
    for config in (dict(type='ResNet38d', width=1 / 32, norm_eval=True),
                   dict(type='Xception65', norm_eval=True)):
        net = nn.SyncBatchNorm.convert_sync_batchnorm(MODELS.build(config)).train()
        norms = [m for m in net.modules() if isinstance(m, _BatchNorm)]
        assert norms and not any(m.training for m in norms), config


if __name__ == '__main__':
    work(int(sys.argv[1]), sys.argv[2])
