import pytest
import torch

from mmwsss.models.classifiers import Views
from mmwsss.models.heads import CAMOutput
from mmwsss.structures import WSSSDataSample


class Counter:
    """Counts images per network; the 'network' multiplies by a parameter."""

    def __init__(self):
        self.weight = torch.tensor(2.0, requires_grad=True)
        self.calls = []

    def __call__(self, images, network):
        self.calls.append((network, tuple(images.shape)))
        cam = images[:, :1] * self.weight
        return CAMOutput(cam, cam.mean((-2, -1)), extra=dict(double=cam * 2))


def samples(labels):
    return [WSSSDataSample(gt_label=torch.tensor(label)) for label in labels]


@pytest.fixture
def counter():
    return Counter()


def make(counter, batchable=True, size=8):
    images = {name: torch.rand(2, 3, size, size) for name in ('image', 'paired')}
    rows = dict(image=samples([[1.0, 0], [0, 1.0]]), paired=samples([[1.0, 1], [1.0, 0]]))
    return Views(counter, images, rows, batchable=lambda network: batchable)


def test_each_view_is_forwarded_once_per_network(counter):
    views = make(counter)
    first = views['image']
    assert views['image'] is first
    views('image', 'teacher')
    views('image', 'teacher', grad=False)
    assert [network for network, _ in counter.calls] == ['student', 'teacher']


@pytest.mark.parametrize('batchable', [True, False])
def test_expected_views_of_one_size_form_one_batch(counter, batchable):
    views = make(counter, batchable)
    views.add('concat', lambda: torch.cat([views.image('image'), views.image('paired')], 2))
    views.add('erased', lambda: views.image() * (views['image'].cam > 1), after=('image',))
    views.expect('image', 'paired', 'erased', 'concat')
    outputs = {name: views[name] for name in ('image', 'paired', 'erased', 'concat')}
    batches = [shape[0] for _, shape in counter.calls]
    assert batches == ([4, 2, 2] if batchable else [2, 2, 2, 2])
    for name, output in outputs.items():
        torch.testing.assert_close(output.cam, views.image(name)[:, :1] * 2)
        torch.testing.assert_close(output.extra['double'], output.cam * 2)


def test_gradient_depends_on_the_request_not_on_who_comes_first(counter):
    views = make(counter)
    with torch.no_grad():
        views['image']
    assert views['image'].cam.requires_grad
    assert not views('image', grad=False).cam.requires_grad
    assert not views('paired', grad=False).cam.requires_grad
    assert views('paired').cam.requires_grad
    expected = make(counter)
    expected.expect('paired')
    count = len(counter.calls)
    assert not expected('paired', grad=False).cam.requires_grad
    assert expected('paired').cam.requires_grad  # the pass was made with gradient at once
    assert len(counter.calls) == count + 1


def test_recipes(counter):
    views = make(counter)
    views.add('half', lambda: views.image()[..., ::2, ::2], labels=torch.ones(2, 2), factor=2)
    views.add('half', lambda: 1 / 0, factor=2)  # the same recipe: the first one stays
    assert views.image('half').shape == (2, 3, 4, 4)
    assert views.labels('half').sum() == 4
    assert views.labels('unknown').equal(views.labels('image'))
    with pytest.raises(ValueError, match='two different recipes for view "half"'):
        views.add('half', lambda: None, factor=3)
    with pytest.raises(ValueError, match='given by the data'):
        views.add('paired', lambda: None)
    with pytest.raises(KeyError, match='view "strong" does not exist'):
        views['strong']


def test_fields_and_valid(counter):
    rows = samples([[1.0], [1.0]])
    rows[0].saliency = torch.ones(4, 4)
    rows[0].set_metainfo(dict(valid_box=(1, 2, 2, 1)))
    rows[1].set_metainfo(dict(name='cow'))
    views = Views(counter, dict(image=torch.rand(2, 3, 4, 4)), dict(image=rows))
    valid = views.valid()
    assert valid.shape == (2, 1, 4, 4)
    assert valid[0].nonzero()[:, 1:].tolist() == [[1, 2], [2, 2]] and valid[1].all()
    with pytest.raises(KeyError, match='image "cow" has no "saliency"'):
        views.field('saliency')
    rows[1].saliency = torch.zeros(4, 4)
    assert views.field('saliency').shape == (2, 4, 4)


@pytest.mark.parametrize('batchable', [True, False])
def test_only_the_rows_that_anyone_needs_are_forwarded(counter, batchable):
    views = make(counter, batchable)
    views.expect('image')
    views.expect('paired', rows=1)
    assert len(views['image'].cam) == 2
    first = views('paired', rows=1)
    torch.testing.assert_close(first.cam, views.image('paired')[:1, :1] * 2)
    assert sum(shape[0] for _, shape in counter.calls) == 3
    # All of them are wanted after all: forwarded anew.
    assert len(views['paired'].cam) == 2
    assert sum(shape[0] for _, shape in counter.calls) == 5
    assert views('paired', rows=1).cam.equal(first.cam)
    assert sum(shape[0] for _, shape in counter.calls) == 5


def test_the_largest_announced_number_of_rows_counts(counter):
    views = make(counter)
    views.expect('paired', rows=1)
    views.expect('paired')
    views.expect('paired', rows=1)
    first = views('paired', rows=1)
    assert len(first.cam) == 1 and len(views['paired'].cam) == 2
    assert [shape[0] for _, shape in counter.calls] == [2]
    whole, start = first.origin
    assert start == 0 and len(whole.cam) == 2


def test_rows_without_announcement_and_without_gradient(counter):
    views = make(counter)
    assert not views('image', 'teacher', grad=False, rows=1).cam.requires_grad
    assert [shape[0] for _, shape in counter.calls] == [1]


def test_padding_of_a_view_that_a_module_makes_is_not_known(counter):
    views = make(counter)
    views.add('x0.5', lambda: views.image()[..., ::2, ::2])
    for _ in range(2):  # before it is made, and after
        with pytest.raises(KeyError, match='view "x0.5" is made by a module'):
            views.valid('x0.5')
        views.image('x0.5')
