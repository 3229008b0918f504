import numpy as np
import pytest
import torch

from mmwsss.datasets.label_space import LabelSpace
from mmwsss.utils.palette import voc_palette

ALL = ('cat', 'dog', 'cow')


def test_subset_indices_and_palette():
    space = LabelSpace(ALL, ('cow', 'cat'))
    assert (space.classes, space.chosen, len(space)) == (('cow', 'cat'), [1, None, 0], 2)
    colors = voc_palette(4)
    assert space.palette == [colors[0], colors[3], colors[1]]
    assert space.indices(['cow', 'dog', 'cat'], 'a', 't') == [0, 1]
    assert space.indices([1], 'a', 't') == []
    assert space.indices(['2', 0], 'a', 't') == [0, 1]
    assert space.indices(np.array([1, 1, 0]), 'a', 't') == [1]


def test_palette_of_the_chosen_classes():
    colors = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    assert LabelSpace(ALL, ('cow', 'cat'), colors).palette == colors
    with pytest.raises(ValueError, match='5 colours.*need 3'):
        LabelSpace(ALL, ('cow', 'cat'), voc_palette(5))


def test_from_metainfo(tmp_path):
    names = tmp_path / 'classes.txt'
    names.write_text('cow\ncat\n')
    assert LabelSpace.from_metainfo({}, dict(classes=ALL)).classes == ALL
    assert LabelSpace.from_metainfo(dict(classes=str(names)), dict(classes=ALL)).chosen == [
        1, None, 0]
    space = LabelSpace.from_metainfo(dict(classes=('dog', ), all_classes=ALL))
    assert (space.all_classes, space.classes) == (ALL, ('dog', ))
    assert LabelSpace.from_metainfo({}, default=lambda: ['x']).classes == ('x', )


@pytest.mark.parametrize('classes, message', [
    (('bird', ), r"\['bird'\] are not classes of Zoo"), (('cat', 'cat'), 'named twice')])
def test_bad_classes(classes, message):
    with pytest.raises(ValueError, match=message):
        LabelSpace(ALL, classes, owner='Zoo')


@pytest.mark.parametrize('entry, message', [
    (['bird'], 'unknown class "bird" of "a" in "t"'), ([3], 'unknown class "3"'),
    (np.array([1, 0]), 'must be 3 zeros and ones'), (np.array([1, 2, 0]), 'zeros and ones')])
def test_bad_entries(entry, message):
    with pytest.raises(ValueError, match=message):
        LabelSpace(ALL).indices(entry, 'a', 't')


@pytest.mark.parametrize('entry', [
    np.array([1, 0, 1]), torch.tensor([1., 0, 1]), torch.tensor([True, False, True]),
    [0, 2], [np.int64(2), np.int64(0)], ('cow', 'cat'), {2, 0}])
def test_entries_of_all_kinds(entry):
    assert LabelSpace(ALL).indices(entry, 'a', 't') == [0, 2]


@pytest.mark.parametrize('entry', [
    [True, False, True], [1., 0.], [np.bool_(True)], [None], ['²'], torch.tensor([0, 2])])
def test_what_is_no_index(entry):
    with pytest.raises(ValueError, match='unknown class|zeros and ones'):
        LabelSpace(ALL).indices(entry, 'a', 't')
