import collections
import json

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmwsss.datasets import (
    CrossDomainDataset,
    EpochIndex,
    EpochSampler,
    PairedDataset,
    cooccurrence_matrix,
    pairing_distribution,
)
from mmwsss.registry import DATASETS

AUGMENT = [
    dict(type='LoadImage'),
    dict(type='RandomFlip'),
    dict(type='RandomPadCrop', size=24),
    dict(type='PackWSSSInputs'),
]
MIX = [
    dict(type='LoadImage'),
    dict(type='LoadMask', key='prior_mask'),
    dict(type='RandomFlip'),
    dict(type='RandomPadCrop', size=24),
    dict(type='PackWSSSInputs'),
]
LABELS = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 1]])


@pytest.fixture
def paired(config):
    return DATASETS.build(dict(type='PairedDataset', dataset={**config, 'pipeline': AUGMENT}))


def test_pairs_share_a_class_uniformly(paired):
    count = collections.Counter()
    for epoch in range(600):
        count[paired.views[0].partner(1, epoch)] += 1  # dog and cow
        assert LABELS[0, 0] == LABELS[paired.views[0].partner(0, epoch), 0] == 1
    # dog (1/2): 1, 3, 4; cow (1/2): 1, 2, 5
    expected = {1: 1 / 3, 3: 1 / 6, 4: 1 / 6, 2: 1 / 6, 5: 1 / 6}
    assert set(count) == set(expected)
    for index, chance in expected.items():
        assert abs(count[index] / 600 - chance) < 0.07


def test_paired_sample(paired):
    sample = paired[EpochIndex(1, 4)]
    assert set(sample['inputs']) == set(sample['data_samples']) == {'image', 'paired'}
    assert sample['data_samples']['image'].name == 'b'
    other = paired.views[0].partner(1, 4)
    assert torch.equal(sample['data_samples']['paired'].gt_label,
                       torch.from_numpy(LABELS[other]).float())
    assert paired.metainfo['classes'] == ('cat', 'dog', 'cow') and len(paired) == 6
    assert torch.equal(paired[-5]['inputs']['paired'], paired[1]['inputs']['paired'])


def test_an_image_paired_with_itself_is_augmented_anew(paired):
    """Else the pair would tell nothing."""
    different = 0
    for epoch in range(60):
        if paired.views[0].partner(1, epoch) == 1:
            views = paired[EpochIndex(1, epoch)]['inputs']
            different += not torch.equal(views['image'], views['paired'])
    assert different > 5


def _batches(dataset, workers, epoch):
    sampler = EpochSampler(dataset, seed=3)
    sampler.set_epoch(epoch)
    loader = DataLoader(dataset, 3, sampler=sampler, num_workers=workers,
                        collate_fn=pseudo_collate)
    return [{name: torch.stack(view) for name, view in batch['inputs'].items()} for batch in loader]


@pytest.mark.parametrize('kind', ['paired', 'cross'])
def test_wrappers_do_not_depend_on_workers(kind, request):
    dataset = request.getfixturevalue(kind)
    here, there, later = (_batches(dataset, *args) for args in ((0, 1), (2, 1), (0, 2)))
    for a, b, c in zip(here, there, later):
        assert a.keys() == b.keys()
        for name in a:
            assert torch.equal(a[name], b[name]) and not torch.equal(a[name], c[name])


@pytest.mark.parametrize('kind', ['paired', 'cross'])
def test_further_views_begin_at_an_epoch(kind, request):
    dataset = request.getfixturevalue(kind)
    dataset.views[0].begin = 2
    assert set(dataset[0]['inputs']) == set(dataset[EpochIndex(0, 1)]['inputs']) == {'image'}
    assert len(dataset[EpochIndex(0, 2)]['data_samples']) > 1


# -- CSD -------------------------------------------------------------------------------------------


def test_cooccurrence_of_the_paper():
    """Eq. 1 by loops."""
    rng = np.random.default_rng(0)
    labels = (rng.random((30, 5)) < 0.4).astype(int)
    counts = np.zeros((5, 5))
    for row in labels:
        for i in range(5):
            for j in range(5):
                counts[i, j] += row[i] and row[j]
    matrix = cooccurrence_matrix(torch.from_numpy(labels))
    np.testing.assert_array_equal(matrix, counts)
    for row in labels:
        if not row.any():
            continue
        chances = np.zeros(5)
        for c in np.flatnonzero(row):
            chances += counts[c] / counts[c].sum()
        np.testing.assert_allclose(
            pairing_distribution(matrix, torch.from_numpy(row)), chances / chances.sum(), rtol=1e-5)
    batch = pairing_distribution(matrix, torch.from_numpy(labels))
    assert batch.shape == (30, 5)
    assert (batch[labels.sum(1) == 0] == 0).all()


def test_cooccurrence_counts_images_with_the_class_alone():
    """The paper's remark beside eq. 1: N_ii are the images of class i alone."""
    labels = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]])
    matrix = cooccurrence_matrix(labels, 'paper-alone')
    np.testing.assert_array_equal(matrix, [[2, 1, 0], [1, 0, 1], [0, 1, 1]])
    np.testing.assert_allclose(
        pairing_distribution(matrix, torch.tensor([1, 1, 0]), 'paper-alone'),
        [(2 / 3 + 1 / 2) / 2, 1 / 3 / 2, 1 / 2 / 2], rtol=1e-5)


def test_cooccurrence_of_the_prototype():
    labels = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]])
    matrix = cooccurrence_matrix(labels, 'prototype')
    expected = np.array([[3, 2, 1], [2, 1, 2], [1, 2, 2]])
    np.testing.assert_array_equal(matrix, expected)
    rows = np.exp(0.1 * expected) / np.exp(0.1 * expected).sum(1, keepdims=True)
    np.testing.assert_allclose(
        pairing_distribution(matrix, torch.tensor([1, 0, 1]), 'prototype'),
        (rows[0] + rows[2]) / 2, rtol=1e-5)
    for function in (lambda: cooccurrence_matrix(labels, 'x'),
                     lambda: pairing_distribution(matrix, labels, 'x')):
        with pytest.raises(ValueError, match="'x'"):
            function()


@pytest.fixture
def cross_config(config):
    return dict(
        type='CrossDomainDataset',
        dataset={**config, 'pipeline': AUGMENT, 'prior_dir': 'prior'},
        mix_pipeline=MIX)


@pytest.fixture
def cross(cross_config):
    return DATASETS.build(cross_config)


def test_mixed_views(cross):
    pasted = collections.Counter()
    for index in range(30):
        sample = cross[EpochIndex(index % 6, index)]
        views, samples = sample['inputs'], sample['data_samples']
        names = {'image', 'source', 'target', 'fg_mix', 'bg_mix'}
        assert set(views) == set(samples) == names
        assert all(view.shape == (3, 24, 24) for view in views.values())
        source, target = samples['source'], samples['target']
        own = int(source.gt_label.argmax()) + 1
        assert source.gt_label.sum() == 1 and target.gt_label.sum() > 1
        assert set(source.prior_mask.unique().tolist()) <= {0, own, 255}
        fg, bg = samples['fg_mix'].paste_mask, samples['bg_mix'].paste_mask
        assert torch.equal(samples['fg_mix'].gt_label.bool(),
                           source.gt_label.bool() | target.gt_label.bool())
        assert torch.equal(samples['bg_mix'].gt_label, target.gt_label)
        assert (source.prior_mask[fg] == own).all()
        assert (source.prior_mask[bg] == 0).all() and (target.prior_mask[bg] == 0).all()
        for name, mask in (('fg_mix', fg), ('bg_mix', bg)):
            for y, x in ((3, 5), (12, 12), (20, 2), (8, 9)):
                origin = 'source' if mask[y, x] else 'target'
                assert torch.equal(views[name][:, y, x], views[origin][:, y, x])
            pasted[name] += int(mask.sum())
    assert pasted['fg_mix'] > 0 and pasted['bg_mix'] > 0


def test_nothing_is_pasted_on_or_from_padding(cross_config):
    cross_config['mix_pipeline'][3] = dict(type='RandomPadCrop', size=48)
    cross = DATASETS.build(cross_config)
    cross_config['mix_pipeline'][3] = dict(type='RandomPadCrop', size=24)
    seen = 0
    for epoch in range(10):
        samples = cross[EpochIndex(0, epoch)]['data_samples']
        inside = torch.zeros(48, 48)
        for name in ('source', 'target'):
            top, left, height, width = samples[name].valid_box
            inside[top:top + height, left:left + width] += 1
        for name in ('fg_mix', 'bg_mix'):
            assert (inside[samples[name].paste_mask] == 2).all()
            assert samples[name].valid_box == samples['target'].valid_box
            seen += int(samples[name].paste_mask.sum())
    assert seen


def test_sources_follow_cooccurrence(cross_config, folder):
    cross = DATASETS.build(cross_config)
    matrix = LABELS.T @ LABELS
    rows = matrix / matrix.sum(1, keepdims=True)
    expected = rows[1] + rows[2]  # the target b has dog and cow
    np.testing.assert_allclose(cross.views[0].sources[1], expected / expected.sum(), rtol=1e-5)
    draws = collections.Counter()
    for epoch in range(400):
        source, target = cross.views[0].pair(0, epoch)
        assert target in (1, 3) and source in (0, 2, 4, 5)
        if target == 1:
            draws[int(LABELS[source].argmax())] += 1
    for label in range(3):
        assert abs(draws[label] / sum(draws.values()) - expected[label] / expected.sum()) < 0.1

    uniform = DATASETS.build({**cross_config, 'pairing': 'uniform', 'target': 'all'})
    np.testing.assert_allclose(uniform.views[0].sources[0], [0.25, 0.25, 0.5])
    assert {uniform.views[0].pair(0, epoch)[1] for epoch in range(100)} == set(range(6))
    prototype = DATASETS.build({**cross_config, 'pairing': 'prototype'})
    assert not np.allclose(prototype.views[0].sources[1], cross.views[0].sources[1])


def test_classes_without_a_single_label_image_are_no_source(cross_config, folder):
    table = json.loads((folder / 'labels.json').read_text())
    table['e'] = ['dog', 'cow']
    (folder / 'labels.json').write_text(json.dumps(table))
    cross = DATASETS.build(cross_config)
    assert (cross.views[0].sources[:, 1] == 0).all()
    np.testing.assert_allclose(cross.views[0].sources.sum(1), 1)


def test_cross_domain_errors_at_construction(cross_config, folder):

    def fails(error, word, **change):
        with pytest.raises(error, match=word):
            DATASETS.build({**cross_config, **change})

    dataset = cross_config['dataset']
    fails(ValueError, 'prior_dir', dataset={**dataset, 'prior_dir': None})
    fails(ValueError, 'prior_mask', mix_pipeline=AUGMENT)
    fails(ValueError, 'pairing', pairing='x')
    fails(ValueError, 'target', target='x')
    (folder / 'list.txt').write_text('b\nd\n')
    fails(ValueError, 'exactly one class')
    (folder / 'list.txt').write_text('a\nc\n')
    fails(ValueError, 'several classes')
    (folder / 'prior' / 'c.png').unlink()
    fails(FileNotFoundError, 'c.png.*prior_dir')


def test_wrappers_take_built_datasets(config):
    inner = DATASETS.build({**config, 'pipeline': AUGMENT})
    assert len(PairedDataset(inner)) == 6
    with pytest.raises(ValueError, match='prior'):
        CrossDomainDataset(config, [])
