"""What pip and make rely on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmwsss

ROOT = Path(__file__).parents[1]


def names(path):
    lines = [line.strip() for line in path.read_text().splitlines()]
    return {re.split(r'[<>=!~ \[]', line)[0].lower().replace('_', '-'): line
            for line in lines if line and not line.startswith('#')}


def test_every_requirement_is_in_the_tested_set():
    tested = names(ROOT / 'requirements/constraints.txt')
    for name in ('runtime', 'optional', 'tests', 'docs'):
        missing = set(names(ROOT / f'requirements/{name}.txt')) - set(tested)
        assert not missing, f'{name}.txt: {missing}'
    assert all('==' in line and '+' not in line for line in tested.values())


def test_the_tested_set_is_installed():
    """Where the environment is the project's own: figures and tests are of this set."""
    from importlib import metadata
    if not list(Path(sys.prefix).glob('.current-*')):
        pytest.skip('not the environment of make venv')
    for name, line in names(ROOT / 'requirements/constraints.txt').items():
        if name in ('torch', 'onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation',
                    'onedl-mmpretrain', 'numpy', 'opencv-python'):
            assert metadata.version(name).split('+')[0] == line.split('==')[1], name


def test_setup_py_knows_version_and_packages():
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', 'setup.py', '--name', '--version'], cwd=ROOT,
        capture_output=True, text=True)
    if 'No module named' in done.stderr:
        pytest.skip('no setuptools in this environment')
    assert done.stdout.split()[-2:] == ['mmwsss', mmwsss.__version__], done.stderr


def test_every_folder_with_modules_is_a_package():
    folders = {path.parent for path in (ROOT / 'mmwsss').rglob('*.py')}
    assert [folder for folder in folders if not (folder / '__init__.py').is_file()] == []


def test_ci_runs_make_test():
    ci = ROOT / '.ci/run'
    assert os.access(ci, os.X_OK) and 'make test' in ci.read_text()
    plan = subprocess.run(['make', '-n', 'test', 'demo'], cwd=ROOT, capture_output=True, text=True)
    assert '-m pytest' in plan.stdout and 'tools/run_pipeline.py' in plan.stdout, plan.stderr


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
def test_scripts_say_how_to_use_them(script):
    path = ROOT / 'tools' / script
    assert os.access(path, os.X_OK)
    done = subprocess.run([str(path)], capture_output=True, text=True)
    assert done.returncode == 2 and f'tools/{script} ' in done.stderr
