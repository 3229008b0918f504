"""What pip and make rely on."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
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


@pytest.mark.parametrize('script', [
    'dist_run.sh', 'dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
def test_scripts_say_how_to_use_them(script):
    path = ROOT / 'tools' / script
    assert os.access(path, os.X_OK)
    done = subprocess.run([str(path)], capture_output=True, text=True)
    assert done.returncode == 2 and f'tools/{script} ' in done.stderr


def test_docker_copies_what_setup_needs():
    """The image is not built here; what its lines name must be there."""
    ignored = (ROOT / '.dockerignore').read_text().split()
    for line in (ROOT / 'Dockerfile').read_text().splitlines():
        if line.startswith('COPY '):
            *sources, _ = line.split()[1:]
            for source in sources:
                assert (ROOT / source).exists() and source.strip('./') not in ignored, source


# -- sdist and wheel -------------------------------------------------------------------------------
def run(*command, cwd, **environment):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(folder):
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob('*')
            if path.is_file() and '__pycache__' not in path.parts}


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """The sdist of a copy of this tree, and the wheel of the sdist: both as a build front end
    makes them."""
    pytest.importorskip('setuptools')
    folder = tmp_path_factory.mktemp('build')
    tree = folder / 'tree'
    tree.mkdir()
    for name in ('mmwsss', 'configs', 'tools', 'requirements', 'docs', 'projects', 'tests'):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns('__pycache__'))
    for file in ROOT.glob('*.*'):
        if file.is_file():
            shutil.copy(file, tree)
    shutil.copy(ROOT / 'LICENSE', tree)
    hook = 'from setuptools import build_meta; build_meta.build_sdist(".")'
    run(sys.executable, '-W', 'ignore', '-c', hook, cwd=tree, PYTHONPATH='')
    sdist, = tree.glob('*.tar.gz')
    run(sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '--no-index',
        '-w', folder, sdist, cwd=folder, PYTHONPATH='')
    wheel, = folder.glob('*.whl')
    return sdist, wheel


@pytest.mark.slow
def test_sdist_and_wheel_are_whole(built):
    sdist, wheel = built
    with tarfile.open(sdist) as archive:
        inside = {name.partition('/')[2] for name in archive.getnames()}
    wanted = {file for folder in ('mmwsss', 'configs', 'tools', 'requirements')
              for file in files_below(folder)}
    assert wanted <= inside and {'LICENSE', 'README.md', 'setup.py', 'pyproject.toml'} <= inside
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        info, = {name.split('/')[0] for name in inside if '.dist-info/' in name}
        metadata = archive.read(f'{info}/METADATA').decode()
    assert files_below('mmwsss') <= inside
    assert {f'mmwsss/.mim/{file}' for folder in ('configs', 'tools')
            for file in files_below(folder)} <= inside
    assert {name.split('/')[0] for name in inside} == {'mmwsss', info}
    for line in ('Requires-Python: >=3.10', 'Provides-Extra: optional', 'Provides-Extra: tests',
                 'Provides-Extra: docs', 'License'):
        assert line in metadata
    for requirement in names(ROOT / 'requirements/runtime.txt'):
        assert re.search(rf'(?mi)^Requires-Dist: {requirement}', metadata), requirement


@pytest.mark.slow
def test_the_installed_wheel_runs_the_demo(built, tmp_path):
    """From an empty folder, with nothing of this checkout on the path."""
    site, empty = tmp_path / 'site', tmp_path / 'empty'
    empty.mkdir()
    run(sys.executable, '-m', 'pip', 'install', '--no-deps', '--no-index', '--target', site,
        built[1], cwd=tmp_path, PYTHONPATH='')
    script = site / 'bin' / 'mmwsss'
    assert os.access(script, os.X_OK)

    def mmwsss_(*args):
        return run(sys.executable, '-W', 'ignore', script, *args, cwd=empty, PYTHONPATH=str(site),
                   OMP_NUM_THREADS='1')

    where = run(sys.executable, '-c', 'import mmwsss; print(mmwsss.__file__)', cwd=empty,
                PYTHONPATH=str(site))
    assert where.startswith(str(site))
    assert mmwsss_('--version').strip() == mmwsss.__version__
    listed = [line.split()[0] for line in mmwsss_().splitlines() if line.startswith('  ')]
    assert {'train', 'pipeline', 'masks', 'check'} <= set(listed)
    sizes = [f'{loader}_dataloader.dataset.num_images={count}'
             for loader, count in (('train', 16), ('val', 16), ('test', 8))]
    out = mmwsss_('pipeline', 'configs/demo/cam_shapes.py', '--stages', 'classify', 'cam', 'mask',
                  '--device', 'cpu', '--cfg-options', 'train_cfg.max_epochs=1',
                  'pipeline.cam.scales=(1.,)', 'pipeline.mask.type=ThresholdMask',
                  'pipeline.mask.bg=oracle', *sizes)
    work_dir = empty / 'work_dirs/cam_shapes/pipeline'
    assert len(list((work_dir / 'mask').rglob('*.png'))) >= 16, out
    assert (work_dir / 'report/index.html').is_file() and 'report:' in out
