"""Configs that come with mmwsss, from any folder."""

from pathlib import Path

import pytest

from mmwsss.inference import read_config
from mmwsss.pipeline.context import find_file
from mmwsss.utils.shipped import HOME, find_config

NAME = 'configs/demo/cam_shapes.py'


def test_the_working_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(NAME) == HOME / NAME
    mine = Path(NAME)
    mine.parent.mkdir(parents=True)
    mine.write_text('mine = 1')
    assert find_config(NAME) == mine and read_config(NAME).mine == 1
    assert find_config(tmp_path / NAME) == tmp_path / NAME


def test_from_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_config(NAME).model.type == 'WSSSClassifier'
    assert find_file(NAME, str(tmp_path / 'own.py')) == str(HOME / NAME)


@pytest.mark.parametrize('path, near', [
    ('configs/demo/cam_shape.py', 'configs/demo/cam_shapes.py'),
    ('ktse_r38_voc.py', 'configs/ktse/ktse_r38_voc.py')])
def test_a_missing_config_names_the_nearest(path, near, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=f'no config "{path}".*did you mean {near}'):
        find_config(path)


def test_nothing_near(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no config ".*/qqqqqqqqqq.py", here[^;]*$'):
        find_config(tmp_path / 'qqqqqqqqqq.py')


def test_a_base_that_comes_with_mmwsss(tmp_path, monkeypatch):
    """From any folder, and without mmengine's scopes in it."""
    monkeypatch.chdir(tmp_path)
    Path('own.py').write_text("_base_ = 'mmwsss::demo/cam_shapes.py'")
    assert read_config('own.py').to_dict() == read_config(NAME).to_dict()
    Path('own.py').write_text("_base_ = 'mmwsss::demo/cam_shape.py'")
    with pytest.raises(FileNotFoundError, match='own.py": no config "demo/cam_shape.py" among.*'
                                                'did you mean configs/demo/cam_shapes.py'):
        read_config('own.py')
