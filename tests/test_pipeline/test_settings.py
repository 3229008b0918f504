"""Files of other settings, or of settings that are not known, are not taken for those asked for."""

import importlib.util
import json
from pathlib import Path

import pytest

from mmwsss.inference.settings import check_settings

TOOL = Path(__file__).parents[2] / 'tools' / 'make_cams.py'


def test_what_changed_is_named(tmp_path):
    check_settings(tmp_path, dict(a=1, b=(2, )), 'files')
    check_settings(tmp_path, dict(a=1, b=(2, )), 'files')
    for settings, key in ((dict(a=1, b=(3, )), 'b'), (dict(a=1), 'b')):
        with pytest.raises(ValueError, match=f'files that were made with another {key};'):
            check_settings(tmp_path, settings, 'files')
    check_settings(tmp_path, dict(a=1, b=(3, )), 'files', overwrite=True)


def test_what_an_older_version_did_not_write_is_named(tmp_path):
    path = tmp_path / 'settings.json'
    path.write_text(json.dumps(dict(a=1)))
    with pytest.raises(ValueError, match='does not say with which b the files were made'):
        check_settings(tmp_path, dict(a=1, b=2), 'files')
    path.unlink()
    check_settings(tmp_path, dict(a=1, b=2), 'files')
    assert json.loads(path.read_text()) == dict(a=1, b=2)


def test_cams_of_one_checkpoint_by_two_models_are_not_mixed(config, tmp_path, monkeypatch):
    """A head may infer in several ways from the same weights."""
    spec = importlib.util.spec_from_file_location('make_cams_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    made = []
    monkeypatch.setattr('mmwsss.pipeline.make_cams', lambda *_, **options: made.append(options))
    (tmp_path / 'net.pth').write_bytes(b'weights')
    config.dump(str(tmp_path / 'tiny.py'))

    def call(*options):
        monkeypatch.setattr('sys.argv', [
            'make_cams.py', str(tmp_path / 'tiny.py'), str(tmp_path / 'net.pth'), '--out',
            str(tmp_path / 'cams'), '--device', 'cpu', *options])
        tool.run(tool.parse_args())

    call()
    call('--batch-size', '3')
    assert len(made) == 2
    with pytest.raises(ValueError, match='CAMs that were made with another model'):
        call('--cfg-options', 'model.head.drop=0.5')
    call('--cfg-options', 'model.head.drop=0.5', '--overwrite')
    assert len(made) == 3
