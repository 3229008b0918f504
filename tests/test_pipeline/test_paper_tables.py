"""The tables of the papers: each is there, its rows build, its figures are the published ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

from mmwsss.inference import read_config
from mmwsss.pipeline import Context, Pipeline
from mmwsss.pipeline.fingerprint import digest, plain
from mmwsss.pipeline.tables import Table, Workplace
from mmwsss.registry import MODELS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs/tables'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))

# Issue 12's list.
LIST = [
    *(f'ktse_table{i}' for i in range(1, 8)), 'ktse_fig1c', 'ktse_fig3',
    *(f'eader_table{i}' for i in range(1, 6)), 'eader_rho',
    *(f'eader_fig{i}' for i in (1, 4, 5)),
    *(f'rcm_mam_table{i}' for i in range(1, 6)),
    *(f'rcm_mam_fig{i}' for i in (4, 5, 6, 7, 9, 10)), 'rcm_mam_confusion',
    *(f'fsae_table{i}' for i in range(1, 11)), *(f'fsae_fig{i}' for i in (3, 4, 6)),
    'csd_table1', 'csd_table2', 'csd_fig6', 'csd_confusion']

# Typed from the digests in ../shared/reference, not from the tables.
PUBLISHED = {
    'ktse_table6': {'seed': [54.2, 57.1, 57.4, 60.2, 63.8, 67.0]},
    'ktse_table7': {'seed': [54.2, 55.6, 54.9, 58.7, 60.2]},
    'ktse_table1': {'seed': [54.2, 56.0, 67.0], 'mask': [None, 71.0, 73.8]},
    'ktse_table2': {'val': [None, 73.0], 'test': [None, 72.9]},
    'ktse_table3': {'val': [67.3], 'test': [67.0]},
    'ktse_table4': {'r101': [45.9], 'vgg16': [37.2]},
    'ktse_table5': {'seed': [67.0, None, None, None, None]},
    'eader_table1': {'mIoU': [41.37, 42.51, 43.89, 42.88],
                     'mPrecision': [58.26, 57.79, 54.78, 52.68],
                     'mRecall': [58.18, 60.88, 68.13, 69.31]},
    'eader_table2': {'seed': [46.8, 48.6]},
    'eader_table3': {'mask': [58.7, 60.1]},
    'eader_table4': {'val': [60.7, 62.8]},
    'eader_table5': {'r101_val': [62.5], 'r101_test': [63.0], 'x65_val': [62.8],
                     'x65_test': [63.8]},
    'rcm_mam_table1': {'seed': [48.4, 51.0, 57.0, 58.0, 57.6, 62.6, 63.7],
                       'crf': [54.4, 56.7, 62.2, 63.4, 62.8, 66.6, 67.7]},
    'rcm_mam_table2': {'seed': [48.4, 52.3, 53.7, 57.6]},
    'rcm_mam_table3': {'seed': [48.4, 63.7], 'mask': [None, 71.0]},
    'rcm_mam_table4': {'val': [None, 69.7], 'test': [None, 70.9]},
    'rcm_mam_table5': {'seed': [60.8, 62.8, 61.7, 59.7, 63.7]},
    'fsae_table1': {'seed': [58.6, 61.1, 70.5, 74.5, 61.5, 62.4],
                    'mask': [64.7, 70.5, 73.3, 77.0, 67.9, 68.8]},
    'fsae_table2': {'val': [70.3, None, 73.7], 'test': [72.6, None, 75.3]},
    'fsae_table3': {'val': [69.8, 69.9, 74.4], 'test': [70.5, 71.2, 75.0]},
    'fsae_table4': {'val': [39.5, 35.4]},
    'fsae_table5': {'seed': [70.5, 73.7, 74.5]},
    'fsae_table6': {'seed': [58.6, 60.9, 61.1, 61.5, 62.2, 62.4]},
    'fsae_table7': {'seed': [70.0, 72.8, 73.5, 73.7, 73.3]},
    'fsae_table8': {'seed': [73.8, 74.5, 74.3, 73.4]},
    'fsae_table9': {'seed': [73.7, 74.3, 74.2, 73.9]},
    'fsae_table10': {'seed': [74.2, 74.2, 74.3, 74.5, 74.4]},
    'csd_table1': {'seed': [48.3, 50.6, 61.7, 63.8], 'mask': [66.5, 68.2, 69.1, 70.9],
                   'val': [63.5, 64.9, 70.0, 71.4], 'test': [64.8, 66.1, 71.6, 72.8]},
    'csd_table2': {'seed': [61.7, 63.1, 63.8]},
    'csd_fig6': {'seed': [61.7, None, None, None, 63.8, None, None, None, None]},
    # PSA, IRN, SEAM, SEAM + PPC, PPC + EPS, EPS, SIPE, MCTformer, AEFT
    'bases': {'seed': [47.7, 48.3, 55.41, 61.5, 70.5, None, 58.65, 61.7, 56.2],
              'mask': [61.0, 66.5, 63.61, 69.2, None, None, 69.3, 69.1, 71.0],
              'val': [None, 63.5, 64.5, 67.7, 72.6, None, 68.8, 71.9, 70.9],
              'test': [None, 64.8, 65.7, 67.4, 73.6, None, 69.7, 71.6, 71.7]}}


def test_all_of_the_list_are_there():
    assert set(LIST) | {'bases'} == set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_published_figures(name):
    """All of them, and no others."""
    rows = Table(FOLDER / f'{name}.py').rows
    expected = PUBLISHED.get(name, {})
    assert {key for row in rows for key in row.published} == set(expected)
    for key, values in expected.items():
        assert [row.published.get(key, (None, ))[0] for row in rows] == values, key


def test_deviations_of_eader():
    rows = Table(FOLDER / 'eader_table1.py').rows
    assert [row.published['mIoU'][1] for row in rows] == [0.26, 0.41, 0.40, 0.99]


def configs_of(table):
    """Row, data set, column and config of all that the table runs."""
    for row in table.rows:
        for data in row.configs:
            seen = set()
            for column in table.columns:
                options = column.options[data]
                if options is not None and digest(options) not in seen:
                    seen.add(digest(options))
                    yield row, data, column, table.config(row, data, column)


@pytest.mark.parametrize('name', NAMES)
def test_every_row_has_its_whole_pipeline(name, monkeypatch, tmp_path):
    """The stages that the columns are read from are there, with their configs and refiners."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Context, 'scored', [object()])  # asked without the data
    table = Table(FOLDER / f'{name}.py')
    assert table.paper == 'bases' or (ROOT / 'configs' / table.paper).is_dir()
    for row, data, column, cfg in configs_of(table):
        assert row.configs, row.name
        assert '_delete_' not in json.dumps(plain(cfg), default=str), (row.name, data)
        pipeline = Pipeline(cfg, tmp_path)
        context = pipeline.context
        wanted = pipeline.needed([column.stage])
        if column.stage != 'segment' or column.options[data]:
            assert wanted[-1] == column.stage, (row.name, data, column.key)
        if 'segment' in pipeline.stages:
            segment = pipeline.stages['segment'].config(context)
            classes = dict(voc=21, coco=81, shapes=7, voc6=7)[data]
            heads = segment.model.decode_head
            for head in heads if isinstance(heads, list) else [heads]:
                assert head.num_classes == classes, (row.name, data)
        if context.options.get('affinity'):
            assert context.affinity_config().model.type
        refiner = context.refiner(context.mask_options, 0.3)
        assert MODELS.get(refiner['type']) is not None
        context.check_background()


@pytest.mark.parametrize('name', [name for name in NAMES if any(
    column.stage in ('mask', 'segment') for column in Table(FOLDER / f'{name}.py').columns)])
def test_a_method_and_its_base_are_refined_alike(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    table = Table(FOLDER / f'{name}.py')
    bases = {'RCM + MAM': 'baseline', 'KTSE': 'GPP'}
    for data in ('voc', 'shapes'):
        blocks = {row.name: {key: (plain(cfg).get('pipeline') or {}).get(key)
                             for key in ('mask', 'affinity')}
                  for row, where, column, cfg in configs_of(table)
                  if where == data and column.stage in ('mask', 'segment')}
        for row in blocks:
            for base in blocks:
                if row.startswith(f'{base} + ') or bases.get(row) == base:
                    assert blocks[row] == blocks[base], (data, base, row)


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """A working folder with the drawn images and their saliency maps."""
    folder = tmp_path_factory.mktemp('shapes')
    for tool in ('shapes', 'shapes_saliency'):
        script = ROOT / f'tools/dataset_converters/{tool}.py'
        subprocess.run([sys.executable, script, 'data/shapes'], cwd=folder, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('name', [f'{paper}_table1' for paper in (
    'csd', 'eader', 'fsae', 'rcm_mam')] + ['ktse_table7', 'ktse_table1'])
def test_every_row_on_shapes_passes_the_check_before_the_training(name, shapes, monkeypatch):
    monkeypatch.chdir(shapes)
    Workplace(Table(FOLDER / f'{name}.py'), 'shapes').check()


@pytest.mark.slow
@pytest.mark.parametrize('data', ['voc', 'coco', 'shapes', 'voc6'])
def test_every_model_builds(data, monkeypatch, without_weights):
    """Each different classifier and segmentation model, without memory and weights."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.chdir(ROOT)
    init_default_scope('mmwsss')
    linspace = torch.linspace
    monkeypatch.setattr(torch, 'linspace', lambda *args: linspace(*args, device='cpu'))
    seen = set()
    for name in NAMES:
        for row, of, _, cfg in configs_of(Table(FOLDER / f'{name}.py')):
            if of != data:
                continue
            models = [cfg.model]
            for block in ('segment', 'affinity'):
                if cfg.pipeline.get(block):
                    models.append(read_config(cfg.pipeline[block].config).model)
            for model in map(without_weights, map(plain, models)):
                key = digest(json.dumps(model, sort_keys=True, default=str))
                if key not in seen:
                    seen.add(key)
                    with torch.device('meta'):
                        built = MODELS.build(model)
                    assert sum(p.numel() for p in built.parameters()) > 0, row.name
    assert seen
