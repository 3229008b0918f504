"""Views of the data are independent of each other, of their order, and follow the plain rule."""

import itertools
import zlib

import numpy as np
import pytest
import torch

from mmwsss.datasets import (
    CrossDomainDataset,
    DataView,
    EpochIndex,
    PairedDataset,
    sample_rng,
)
from mmwsss.datasets.splits import build_image_dataset
from mmwsss.registry import DATA_VIEWS, DATASETS

LOAD, PRIOR = dict(type='LoadImage'), dict(type='LoadMask', key='prior_mask')
CROP = [dict(type='RandomFlip'), dict(type='RandomPadCrop', size=24)]
PACK = dict(type='PackWSSSInputs')
AUGMENT = [LOAD, *CROP, PACK]


@DATA_VIEWS.register_module(force=True)
class NoiseView(DataView):
    """Another image of the data set and a number, both drawn."""

    name = 'noise'

    def add(self, sample, index, epoch):
        rng = self.rng(index, epoch)
        other = self.load(int(rng.integers(len(self.dataset))), index, epoch, 2)
        sample['inputs'][self.name] = other['inputs']['image']
        sample['data_samples'][self.name] = other['data_samples']['image']
        sample['data_samples'][self.name].value = torch.tensor(rng.random())


@pytest.fixture
def data(config):
    return {**config, 'pipeline': AUGMENT, 'prior_dir': 'prior'}


def build(data, *views):
    dataset = DATASETS.build({**data, 'views': [
        dict(type=view) if isinstance(view, str) else view for view in views]})
    dataset.seed = 5  # as the training loop does after all is built
    return dataset


def equal(a, b):
    """Whether two samples have the same entries."""
    if set(a['inputs']) != set(b['inputs']) or set(a['data_samples']) != set(b['data_samples']):
        return False
    if not all(torch.equal(a['inputs'][name], b['inputs'][name]) for name in a['inputs']):
        return False
    for name, one in a['data_samples'].items():
        other = b['data_samples'][name]
        if set(one.all_keys()) != set(other.all_keys()):
            return False
        for key in one.all_keys():
            value = one.get(key)
            if not (torch.equal(value, other.get(key)) if torch.is_tensor(value)
                    else value == other.get(key)):
                return False
    return True


def without(sample, names):
    return {key: {name: value for name, value in entries.items() if name not in names}
            for key, entries in sample.items()}


NAMES = dict(PairedView={'paired'}, NoiseView={'noise'},
             CrossDomainView={'source', 'target', 'fg_mix', 'bg_mix'})


@pytest.mark.parametrize('pair', itertools.combinations(NAMES, 2), ids='+'.join)
def test_pairs_of_views_in_any_order(data, pair):
    one, other = build(data, *pair), build(data, *reversed(pair))
    alone = {view: build(data, view) for view in pair}
    for place in (EpochIndex(0, 0), EpochIndex(3, 1), EpochIndex(-1, 2)):
        sample = one[place]
        assert set(sample['inputs']) == {'image', *NAMES[pair[0]], *NAMES[pair[1]]}
        assert equal(sample, other[place])
        for view, rest in zip(pair, reversed(pair)):
            assert equal(without(sample, NAMES[rest]), alone[view][place])


def test_all_three_in_all_orders(data):
    samples = [build(data, *views)[EpochIndex(2, 3)] for views in itertools.permutations(NAMES)]
    assert all(equal(sample, samples[0]) for sample in samples[1:])


def test_paired_view_by_the_plain_rule(data, folder):
    """Class, image and augmentation as they were before views: numbers 1 and 2 of the draws."""
    dataset, plain = build(data, 'PairedView'), build(data)
    labels = plain.label_matrix()
    for epoch, index in itertools.product(range(3), range(6)):
        rng = np.random.default_rng([5, epoch, index, 1])
        label = rng.choice(np.flatnonzero(labels[index]))
        partner = rng.choice(np.flatnonzero(labels[:, label]))
        with sample_rng(5, epoch, index, 2):
            expected = plain.pipeline(plain.get_data_info(partner))['inputs']['image']
        sample = dataset[EpochIndex(index, epoch)]
        assert torch.equal(sample['inputs']['paired'], expected)
        assert equal(without(sample, {'paired'}), plain[EpochIndex(index, epoch)])


def test_cross_domain_view_by_the_plain_rule(data):
    """Source and target as they were before views: numbers 1, 2 and 3 of the draws."""
    dataset = build(data, 'CrossDomainView')
    mixed = build({**data, 'pipeline': [LOAD, PRIOR, *CROP, PACK]})
    labels = mixed.label_matrix()
    single, several = labels.sum(1) == 1, np.flatnonzero(labels.sum(1) > 1)
    for epoch, index in itertools.product(range(3), range(6)):
        rng = np.random.default_rng([5, epoch, index, 1])
        target = rng.choice(several)
        label = rng.choice(3, p=dataset.views[0].sources[target])
        source = rng.choice(np.flatnonzero(single & (labels[:, label] == 1)))
        views = dataset[EpochIndex(index, epoch)]['inputs']
        for name, image, draw in (('source', source, 2), ('target', target, 3)):
            with sample_rng(5, epoch, index, draw):
                expected = mixed.pipeline(mixed.get_data_info(image))['inputs']['image']
            assert torch.equal(views[name], expected)


def test_further_views_draw_by_their_names(data):
    dataset = build(data, 'NoiseView', dict(type='NoiseView', name='other'),
                    dict(type='PairedView', name='second'), 'PairedView')
    sample = dataset[EpochIndex(1, 4)]
    for name in ('noise', 'other'):
        rng = np.random.default_rng([5, 4, 1, zlib.crc32(name.encode()), 1])
        rng.integers(6)
        assert sample['data_samples'][name].value == rng.random()
    partners = [{view.partner(1, epoch) for epoch in range(40)} for view in dataset.views[2:]]
    assert partners[0] == partners[1] == {1, 2, 3, 4, 5}
    assert [dataset.views[2].partner(1, epoch) for epoch in range(20)] != [
        dataset.views[3].partner(1, epoch) for epoch in range(20)]
    with pytest.raises(ValueError, match='2 views are named "noise"'):
        build(data, 'NoiseView', 'NoiseView')


def test_each_view_begins_at_its_epoch(data):
    dataset = build(data, dict(type='PairedView', begin=1), dict(type='NoiseView', begin=2))
    seen = [set(dataset[EpochIndex(0, epoch)]['inputs']) for epoch in range(3)]
    assert seen == [{'image'}, {'image', 'paired'}, {'image', 'paired', 'noise'}]
    with pytest.raises(ValueError, match='begin=-1'):
        build(data, dict(type='PairedView', begin=-1))


@pytest.mark.parametrize('further', ['saliency', 'strong', 'prior'])
def test_mix_pipeline_follows_the_data_set(data, further):
    """By default the data set's transforms with the prior mask; another one overrides it."""
    saliency = dict(type='LoadMask', key='saliency')
    strong = dict(type='StrongView', num_ops=1)
    own, mix = dict(
        saliency=([LOAD, saliency, *CROP, PACK], [LOAD, PRIOR, saliency, *CROP, PACK]),
        strong=([LOAD, *CROP, strong, PACK], [LOAD, PRIOR, *CROP, PACK]),
        prior=([LOAD, PRIOR, *CROP, PACK], [LOAD, PRIOR, *CROP, PACK]))[further]
    data = {**data, 'pipeline': own, 'saliency_dir': 'sal'}
    default = build(data, 'CrossDomainView')
    given = build(data, dict(type='CrossDomainView', mix_pipeline=mix))
    for index in range(6):
        assert equal(default[EpochIndex(index, 1)], given[EpochIndex(index, 1)])
    smaller = dict(type='RandomPadCrop', size=16)
    other = build(data, dict(type='CrossDomainView', mix_pipeline=[LOAD, PRIOR, smaller, PACK]))
    views = other[0]['inputs']
    assert views['fg_mix'].shape == (3, 16, 16) and views['image'].shape == (3, 24, 24)


def test_prior_masks_are_checked_when_built(data, folder):
    with pytest.raises(ValueError, match='prior_dir'):
        build({**data, 'prior_dir': None}, 'CrossDomainView')
    with pytest.raises(ValueError, match='LoadImage'):
        build({**data, 'pipeline': [PACK]}, 'CrossDomainView')
    (folder / 'prior' / 'c.png').unlink()
    assert len(build(data, 'PairedView')) == 6  # which reads none
    with pytest.raises(FileNotFoundError, match='c.png.*prior_dir'):
        build(data, 'CrossDomainView')


# -- earlier names ---------------------------------------------------------------------------------


def test_old_names_nest_in_any_order(data):
    pair, mix = dict(begin=1), dict(mix_pipeline=[LOAD, PRIOR, *CROP, PACK])
    views = build(data, dict(type='PairedView', **pair), dict(type='CrossDomainView', **mix))
    inner = dict(type='CrossDomainDataset', dataset=data, **mix)
    outer = dict(type='PairedDataset', dataset=data, **pair)
    for nested in (dict(type='PairedDataset', dataset=inner, **pair),
                   dict(type='mmwsss.CrossDomainDataset', dataset=outer, **mix)):
        dataset = DATASETS.build(nested)
        dataset.seed = 5
        for place in (EpochIndex(1, 0), EpochIndex(4, 1)):
            assert equal(dataset[place], views[place])


def test_old_names_on_built_data_sets(data):
    plain = DATASETS.build(data)
    both = CrossDomainDataset(PairedDataset(plain, begin=1))
    assert not plain.views and set(plain[EpochIndex(0, 1)]['inputs']) == {'image'}
    both.seed = 5
    views = build(data, dict(type='PairedView', begin=1), 'CrossDomainView')
    assert equal(both[EpochIndex(2, 1)], views[EpochIndex(2, 1)])
    assert type(both) is type(plain) and len(both) == 6


def test_inference_needs_no_view(data):
    wrapped = dict(type='PairedDataset', dataset={**data, 'views': [dict(type='NoiseView')]})
    assert not build_image_dataset(wrapped).views and len(build_image_dataset(wrapped)) == 6
