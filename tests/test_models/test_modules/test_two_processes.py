"""Two processes give the gradient of one with the doubled batch."""

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import distributed

import mmwsss.datasets  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))
import conftest  # noqa: E402,F401  (the network)

from mmwsss.models import WSSSClassifier  # noqa: E402
from mmwsss.structures import WSSSDataSample  # noqa: E402

C = 3
SEAM_HEAD = dict(type='SEAMHead', num_classes=C, in_channels=(6, 6, 8), mid_channels=(4, 4),
                 pcm_channels=5, drop=0.)
FSAE = dict(type='FeatureSpatialActivationExpansion', tau_fae=0.3, tau_sae=0.2)
SYSTEMS = dict(
    ppc_eps=(dict(type='TinyStages', out_indices=(1, 2, 3)), SEAM_HEAD, [
        dict(type='SelfSupervisedEquivariantAttention', size=16),
        dict(type='ExplicitPseudoPixelSupervision', size=16, revised=True),
        dict(type='PixelToPrototypeContrast', in_channels=8, proj_channels=6, size=16),
        FSAE]),
    sipe=(dict(type='TinyStages', out_indices=(0, 1, 2, 3)),
          dict(type='SIPEHead', num_classes=C, in_channels=(4, 6, 6, 8), side_channels=(3, ) * 4), [
              dict(type='ImageSpecificPrototypes'),
              dict(FSAE, background='one_minus_max'),
              dict(type='CrossDomainDecoupling')]),
    # Without stochastic depth, which each process draws for itself, and batch norm in the stem.
    mctformer=(dict(type='MCTDeiT', num_classes=C, img_size=32, patch_size=8, embed_dims=12,
                    depth=2, num_heads=3),
               dict(type='MCTHead', num_classes=C, in_channels=12, detach_patch=False), [
                   dict(FSAE, background='constant'),
                   dict(type='CrossDomainDecoupling', variant='prototype', threshold=0.)]))


def gradients(system, rows):
    """Gradients of all weights on some images of the batch."""
    def chance(values):
        """The part of one draw for the whole batch that belongs to these images."""
        drawn = torch.rand(len(values) * 4 // (rows.stop - rows.start),
                           generator=torch.Generator().manual_seed(2))
        return drawn.view(4, -1)[rows].flatten()

    with mock.patch.object(torch, 'rand_like', chance):  # PPC's random half of the pixels
        return gradients_of(*SYSTEMS[system], rows)


def gradients_of(backbone, head, modules, rows):
    torch.manual_seed(0)
    model = WSSSClassifier(backbone, head, modules)
    generator = torch.Generator().manual_seed(1)
    names = ('image', 'strong', 'source', 'fg_mix', 'bg_mix')
    inputs = {name: torch.randn(4, 3, 32, 32, generator=generator)[rows] for name in names}
    maps = torch.rand(4, 32, 32, generator=generator)
    labels = torch.tensor([[1., 0, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1]])
    samples = {name: [] for name in names}
    for name in names:
        for i in range(4)[rows]:
            sample = WSSSDataSample(gt_label=labels[i], saliency=maps[i])
            sample.paste_mask = (maps[i] > 0.5) | (torch.arange(32) < 16)
            samples[name].append(sample)
    total, _ = model.parse_losses(model(inputs, samples, mode='loss'))
    total.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def one_of_two(folder):
    """What each process runs."""
    rank = int(os.environ['RANK'])
    distributed.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank,
                                   world_size=2)
    result = {}
    for system in SYSTEMS:
        result[system] = gradients(system, slice(2 * rank, 2 * rank + 2))
        for gradient in result[system].values():
            distributed.all_reduce(gradient)
            gradient /= 2
    torch.save(result, f'{folder}/rank{rank}.pth')
    distributed.destroy_process_group()  # or gloo's threads may abort at exit


@pytest.mark.slow
def test_gradients_of_two_processes(tmp_path):
    code = (f'import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); '
            f'import test_two_processes as t; t.one_of_two({str(tmp_path)!r})')
    processes = [
        subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True,
                         env={**os.environ, 'RANK': str(rank), 'WORLD_SIZE': '2',
                              'OMP_NUM_THREADS': '1'})
        for rank in range(2)]
    for process in processes:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr[-3000:]
    for system in SYSTEMS:
        expected = gradients(system, slice(0, 4))
        for rank in range(2):
            found = torch.load(tmp_path / f'rank{rank}.pth', weights_only=True)[system]
            assert set(found) == set(expected)
            for name, value in expected.items():
                torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-7, msg=name)
