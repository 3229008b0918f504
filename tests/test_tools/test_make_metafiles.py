"""Metafiles, model index and zoo page are those of the configs and tables."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    path = ROOT / 'tools/analysis_tools/make_metafiles.py'
    spec = importlib.util.spec_from_file_location('make_metafiles', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def files(tool):
    return tool.all_files(ROOT)


def test_files_are_up_to_date(files):
    for path, text in files.items():
        assert path.read_text() == text, f'{path}: run tools/analysis_tools/make_metafiles.py'


def test_every_config_is_a_model_of_one_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    names, configs = [], []
    for file in index['Import']:
        meta = yaml.safe_load((ROOT / file).read_text())
        known = {collection['Name'] for collection in meta['Collections']}
        for model in meta['Models']:
            assert model['In Collection'] in known and (ROOT / model['Config']).is_file()
            names.append(model['Name'])
            configs.append(model['Config'])
    assert len(set(names)) == len(names)
    expected = {str(path.relative_to(ROOT)) for path in ROOT.glob('configs/*/*.py')
                if path.parent.name not in ('_base_', 'demo', 'tables')}
    assert expected <= set(configs)


def test_figures_of_ktse():
    """Typed from the paper's digest and from the record of our run."""
    meta = yaml.safe_load((ROOT / 'configs/ktse/metafile.yml').read_text())
    models = {model['Name']: model for model in meta['Models']}
    results = models['ktse/ktse_r38_voc']['Results']
    assert results[0]['Metrics'] == {'seed train': 67.0, 'mask train': 73.8}
    assert any(result['Metrics'] == {'R101 val': 73.0, 'R101 test': 72.9} for result in results)
    ours = models['ktse_shapes in ktse']['Results'][0]
    assert ours['Metrics']['mask train'] == '61.2 ± 2.3' and 'seeds 0, 1, 2' in ours['Origin']
    zoo = (ROOT / 'docs/method_zoo.md').read_text()
    assert len(re.findall(r'n\. m\.', zoo)) == 1


def test_figures_are_written_as_published(tool):
    assert tool.text_of((67.0, None)) == '67.0' and tool.text_of((43.89, 0.4)) == '43.89 ± 0.4'


def test_unknown_folders_are_named(tool, tmp_path):
    (tmp_path / 'configs/new').mkdir(parents=True)
    (tmp_path / 'configs/new/a.py').touch()
    with pytest.raises(ValueError, match='METHODS'):
        tool.all_files(tmp_path)
