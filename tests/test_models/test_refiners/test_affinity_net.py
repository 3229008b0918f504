import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from PIL import Image

from mmwsss.models.refiners import (
    AffinityNet,
    IRNet,
    affinity_loss,
    displacement_loss,
    pair_labels,
    pair_offsets,
)
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

# From scratch: fixed batch norms would let random features grow without bounds.
R38 = dict(
    type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6), norm_eval=False, frozen_stages=-1)
R18 = dict(type='mmpretrain.ResNet', depth=18, base_channels=16, stem_channels=16,
           strides=(1, 2, 2, 1), out_indices=(0, 1, 2, 3))


def batch(size, stride=1, n=2):
    torch.manual_seed(0)
    samples = []
    for _ in range(n):
        label = torch.zeros(size // stride, size // stride, dtype=torch.long)
        label[:, label.shape[1] // 2:] = 3
        label[:2] = 255
        sample = WSSSDataSample(metainfo=dict(name='a'))
        sample.prior_mask = label
        samples.append(sample)
    images = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8)
    return dict(inputs={'image': list(images)}, data_samples={'image': samples})


def psa(**kwargs):
    torch.manual_seed(0)
    return MODELS.build(dict(type='AffinityNet', backbone=R38, in_channels=(16, 32, 128),
                             channels=(4, 6, 8), radius=3, **kwargs))


def irn(displacement=True):
    torch.manual_seed(0)
    return MODELS.build(dict(type='IRNet', backbone=R18, in_channels=(16, 16, 32, 64, 128),
                             radius=4, displacement=displacement, crop_size=64))


def test_affinity_loss():
    rng = np.random.default_rng(0)
    affinity = rng.uniform(size=(2, 3, 4, 4))
    kind = rng.integers(0, 4, size=affinity.shape)
    losses = affinity_loss(torch.tensor(affinity), [torch.tensor(kind == k) for k in range(3)])
    assert losses['loss_bg'].item() == pytest.approx(-np.log(affinity[kind == 0] + 1e-5).mean() / 4)
    assert losses['loss_fg'].item() == pytest.approx(-np.log(affinity[kind == 1] + 1e-5).mean() / 4)
    assert losses['loss_neg'].item() == pytest.approx(
        -np.log(1 + 1e-5 - affinity[kind == 2]).mean() / 2)


def test_losses_without_pairs_are_zero():
    affinity = torch.rand(1, 3, 4, 4, requires_grad=True)
    none = [torch.zeros(1, 3, 4, 4, dtype=torch.bool)] * 3
    total = sum(affinity_loss(affinity, none).values())
    total.backward()
    assert total == 0 and (affinity.grad == 0).all()


def test_displacement_loss():
    labels = torch.zeros(1, 9, 14, dtype=torch.long)
    labels[..., 7:] = 1
    pairs = pair_labels(labels, 3)
    rows, columns = torch.meshgrid(torch.arange(9.), torch.arange(14.), indexing='ij')
    to_centre = torch.stack([4 - rows, 10 - columns])[None]  # one centre for all
    losses = displacement_loss(to_centre, pairs, 3)
    assert losses['loss_disp_fg'] == 0
    # Background pixels should not differ, here they do by their offset.
    offsets = np.abs(np.array(pair_offsets(3))).mean(1)
    weights = pairs[0].sum((0, 2, 3)).numpy()
    expected = (offsets * weights).sum() / weights.sum() / 2
    assert losses['loss_disp_bg'].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('stride', [1, 8])
def test_affinity_net_learns(stride):
    model = psa()
    wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), 1e-2))
    first = model.train_step(batch(80, stride), wrapper)
    for _ in range(5):
        last = model.train_step(batch(80, stride), wrapper)
    assert set(first) == {'loss', 'loss_bg', 'loss_fg', 'loss_neg'}
    assert last['loss'] < first['loss']
    assert model.extract(torch.rand(1, 3, 50, 41)).shape == (1, 18, 7, 6)


@pytest.mark.parametrize('displacement', [True, False])
def test_irnet_learns_and_its_backbone_does_not(displacement):
    model = irn(displacement)
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    trained = [p for p in model.parameters() if p.requires_grad]
    wrapper = OptimWrapper(torch.optim.Adam(trained, 1e-2))
    model.train()
    data = batch(64)
    first = model.train_step(data, wrapper)
    for _ in range(5):
        last = model.train_step(data, wrapper)
    assert last['loss'] < first['loss']
    assert ('loss_disp_fg' in last) == displacement
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize('all_of_them', [True, False])
@pytest.mark.parametrize('build, size', [(psa, 80), (irn, 64)])
def test_images_of_no_class(build, size, all_of_them):
    """Their label is background everywhere; losses without pairs are zero."""
    model, data = build().train(), batch(size)
    for sample in data['data_samples']['image'][:None if all_of_them else 1]:
        sample.prior_mask.zero_()
    wrapper = OptimWrapper(torch.optim.Adam([p for p in model.parameters() if p.requires_grad]))
    losses = model.train_step(data, wrapper)
    assert all(torch.isfinite(value) for value in losses.values()) and losses['loss_bg'] > 0
    for name in ('loss_fg', 'loss_neg'):
        assert (losses[name] == 0) == all_of_them
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_branches_are_independent():
    with_dp, without = irn(True).eval(), irn(False).eval()
    missing = without.load_state_dict(with_dp.state_dict(), strict=False).missing_keys
    assert not missing
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(with_dp.extract(image)[0], without.extract(image)[0])


def test_mean_shift():
    model = irn(True)
    shift = model.displacement.fuse[-1]
    x = torch.randn(2, 2, 5, 5) + 3
    assert (shift.train()(x) == x).all()
    torch.testing.assert_close(shift.running_mean, 0.1 * x.mean((0, 2, 3)))
    torch.testing.assert_close(shift.eval()(x), x - shift.running_mean[:, None, None])


@pytest.mark.parametrize('size', [(50, 37), (64, 64), (70, 90)])
def test_edge_of_any_size(size):
    model = irn(False).eval()
    image = torch.rand(1, 3, *size)
    edge = model.predict_edge(image)
    assert edge.shape == (1, -(-size[0] // 4), -(-size[1] // 4))
    assert 0 < edge.min() and edge.max() < 1
    if size == (64, 64):  # nothing is padded: the mirror image has the mirrored edge
        torch.testing.assert_close(model.predict_edge(image.flip(-1)), edge.flip(-1))


def test_original_layers_of_the_tails():
    """Parameter counts of the released networks' trainable layers."""
    def count(module):
        return sum(p.numel() for p in module.parameters())

    net = AffinityNet(dict(type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6)))
    assert count(net.reduce) == 512 * 64 + 1024 * 128 + 4096 * 256
    assert count(net.fuse) == 448 * 448
    net = IRNet(R18, displacement=True)
    edge_in = 64 + 256 + 512 + 1024 + 2048
    assert count(net.edge) == edge_in * 32 + 5 * 64 + 160 + 1
    expected = 64 * 64 + 256 * 128 + (512 + 1024 + 2048) * 256 + 2 * (64 + 128 + 3 * 256)
    expected += 768 * 256 + 512 + 448 * 256 + 512 + 512
    assert count(net.displacement) == expected


@pytest.mark.parametrize('size', [64, 62])
def test_labels_are_reduced_as_by_pil(size):
    """IRN reduces its label maps by PIL's nearest, which takes pixel 4 i + 2."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 21, (64, 64)).astype(np.uint8)
    small = np.asarray(Image.fromarray(label).resize((16, 16), Image.NEAREST))
    assert (small == label[2::4, 2::4]).all()
    sample = WSSSDataSample(prior_mask=torch.from_numpy(label[:size, :size].astype(np.int64)))
    model = irn(False)
    found = model.labels(dict(image=[sample]), (16, 16))[0].numpy()
    inner = size // 4
    np.testing.assert_array_equal(found[:inner, :inner], small[:inner, :inner])
    if size == 62:  # the last row of the map has no pixel 4 i + 2
        np.testing.assert_array_equal(found[-1, :inner], label[61, 2:60:4])


def test_errors():
    image, samples = torch.rand(2, 3, 64, 64), batch(64)['data_samples']
    del samples['image'][1].prior_mask
    with pytest.raises(ValueError, match='prior_mask'):
        psa().loss(image, samples)
    samples['image'][0].prior_mask = torch.zeros(64, 40, dtype=torch.long)
    with pytest.raises(ValueError, match='feature map'):
        psa().loss(image, samples)
    with pytest.raises(ValueError, match='in_channels'):
        AffinityNet(R38, in_channels=(1, 2, 3)).extract(torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match='one entry per tap'):
        AffinityNet(R38, in_channels=(1, 2))
