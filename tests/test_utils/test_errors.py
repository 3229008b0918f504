"""A mistake of the user ends in one line; a bug keeps its traceback."""

import pytest

import mmwsss.models  # noqa: F401
from mmwsss.registry import MODELS
from mmwsss.utils import friendly_errors
from mmwsss.utils.errors import explain


def error_of(function, *args, **kwargs):
    with pytest.raises(Exception) as caught:
        function(*args, **kwargs)
    return explain(caught.value)


def test_wrong_key_of_a_component():
    text = error_of(MODELS.build, dict(type='GAPHead', num_clases=3, in_channels=4))
    assert text == 'GAPHead has no option "num_clases"; did you mean num_classes?'
    text = error_of(MODELS.build, dict(type='GAPHead', num_classes=3, in_channels=4, xyz=1))
    assert text.startswith('GAPHead has no option "xyz"; its options are num_classes, in_channels')


def test_wrong_key_in_a_module_of_the_classifier():
    text = error_of(
        MODELS.build, dict(
            type='WSSSClassifier', backbone=dict(type='ResNet38d', width=0.02),
            head=dict(type='GAPHead', num_classes=3, in_channels=80),
            modules=[dict(type='SimulatedInterImageErasing', num_pair=4)]))
    assert text.startswith('SimulatedInterImageErasing has no option "num_pair"; did you mean')


def test_missing_key():
    assert 'GAPHead lacks the option' in error_of(MODELS.build, dict(type='GAPHead', num_classes=3))


def test_unknown_component():
    text = error_of(MODELS.build, dict(type='GAPHaed'))
    assert text.startswith('there is no model "GAPHaed"; did you mean GAPHead')


def test_error_of_a_data_worker():
    error = ValueError(
        'Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call '
        'last):\n  File "x.py", line 1\nValueError: image "a.jpg" is cut off; restore it\n')
    assert explain(error) == 'image "a.jpg" is cut off; restore it'


def test_missing_file():
    assert error_of(open, 'nothing.py') == '"nothing.py" does not exist'
    assert error_of(MODELS.build, 3) is None


@pytest.mark.parametrize('bug', [
    TypeError("unsupported operand type(s) for +: 'int' and 'str'"), KeyError('x'),
    RuntimeError('size mismatch'), IndexError('list index out of range')])
def test_bugs_are_not_explained(bug):
    assert explain(bug) is None
    with pytest.raises(type(bug)), friendly_errors():
        raise bug


def test_the_program_ends_with_one_line(capsys, monkeypatch):
    monkeypatch.delenv('MMWSSS_DEBUG', raising=False)
    with pytest.raises(SystemExit) as end, friendly_errors():
        raise ValueError('labels.json has no image')
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith('error: labels.json has no image\n')
    monkeypatch.setenv('MMWSSS_DEBUG', '1')
    with pytest.raises(ValueError), friendly_errors():
        raise ValueError('labels.json has no image')
