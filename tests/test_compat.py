"""Missing, doubled and old packages, and torchvision beside a CPU-only torch."""

import importlib.util
import os
import subprocess
import sys
from importlib import metadata

import pytest
import torch

from mmwsss import _compat

GOOD = {
    'torch': '2.13.0+cpu', 'torchvision': '0.28.0', 'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6', 'onedl-mmsegmentation': '1.4.2', 'onedl-mmpretrain': '1.3.6',
    'opencv-python': '5.0.0.93', 'scipy': '1.17.1', 'Pillow': '13.0.0'
}


@pytest.fixture
def installed(monkeypatch):
    """The installed distributions, to be changed by the test."""
    packages = dict(GOOD)

    def version(name):
        if name not in packages:
            raise metadata.PackageNotFoundError(name)
        return packages[name]

    monkeypatch.setattr(metadata, 'version', version)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    return packages


def test_the_tested_set_passes(installed):
    _compat.check_packages()


def test_the_original_packages_pass(installed):
    for name, version in dict(mmengine='0.10.7', mmcv='2.1.0', mmsegmentation='1.2.2',
                              mmpretrain='1.2.0').items():
        del installed[f'onedl-{name}']
        installed[name] = version
    _compat.check_packages()


@pytest.mark.parametrize('name, module', [
    ('onedl-mmengine', 'mmengine'), ('onedl-mmcv', 'mmcv'), ('onedl-mmsegmentation', 'mmseg'),
    ('onedl-mmpretrain', 'mmpretrain'), ('torch', 'torch'), ('opencv-python', 'cv2')])
def test_missing(installed, name, module):
    del installed[name]
    with pytest.raises(ImportError, match=f'{module} is missing: pip install "{name}>='):
        _compat.check_packages()


def test_missing_packages_are_named_together(installed):
    del installed['scipy'], installed['onedl-mmcv']
    with pytest.raises(ImportError, match='(?s)mmcv is missing.*scipy is missing'):
        _compat.check_packages()


def test_a_copy_on_the_path_is_enough(installed, monkeypatch):
    del installed['onedl-mmcv']
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: name == 'mmcv' or None)
    _compat.check_packages()


@pytest.mark.parametrize('name', ['mmengine', 'mmcv', 'mmsegmentation', 'mmpretrain', 'mmcv-lite'])
def test_doubled(installed, name):
    installed[name] = '9.9.9'
    first = 'onedl-' + name.replace('-lite', '')
    mend = f'pip uninstall -y {first} {name} && pip install {first}'
    with pytest.raises(ImportError, match=mend):
        _compat.check_packages()


def test_two_opencvs_are_fine(installed):
    installed['opencv-python-headless'] = '4.10.0'
    _compat.check_packages()


@pytest.mark.parametrize('name, version', [
    ('torch', '2.5.1+cu121'), ('onedl-mmengine', '0.9.1'), ('onedl-mmcv', '1.7.2')])
def test_too_old(installed, name, version):
    installed[name] = version
    with pytest.raises(ImportError, match=rf'{name} {version.replace("+", ".")} is too old: pip'):
        _compat.check_packages()


def test_torchvision_can_be_imported_after_mmwsss():
    code = 'import mmwsss, torchvision, torch; print(hasattr(torch.ops.torchvision, "nms"))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == 'True', done.stderr


def test_torchvision_is_mended_by_its_first_import_alone(monkeypatch):
    calls = []
    monkeypatch.setattr(_compat, 'mend_torchvision', lambda: calls.append(1))
    others = [finder for finder in sys.meta_path if finder is not _compat._BeforeTorchvision]
    monkeypatch.setattr(_compat.sys, 'meta_path', others)
    modules = {name: module for name, module in sys.modules.items() if name != 'torchvision'}
    monkeypatch.setattr(_compat.sys, 'modules', modules)
    _compat.watch_torchvision()
    _compat.watch_torchvision()
    hook = sys.meta_path[0]
    assert sys.meta_path.count(hook) == 1
    assert hook.find_spec('torchvision.ops') is None and calls == []
    assert hook.find_spec('torchvision') is None and calls == [1]
    assert hook not in sys.meta_path  # nothing is left behind


def test_mending_twice_is_harmless():
    assert _compat.mend_torchvision() == _compat.mend_torchvision()
    assert hasattr(torch.ops.torchvision, 'nms')


def test_import_is_light():
    code = ('import sys, mmwsss; print([m for m in ("torch", "mmengine", "mmcv", "mmseg", '
            '"torchvision") if m in sys.modules])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.strip() == '[]', done.stderr


# -- threads ---------------------------------------------------------------------------------------
@pytest.mark.parametrize('files, cores', [
    ({}, 8), ({'cpu.max': 'max 100000'}, 8), ({'cpu.max': '250000 100000'}, 3),
    ({'cpu.cfs_quota_us': '-1', 'cpu.cfs_period_us': '100000'}, 8),
    ({'cpu.cfs_quota_us': '200000', 'cpu.cfs_period_us': '100000'}, 2)])
def test_usable_cores(monkeypatch, files, cores):
    def read(path):
        if path.name not in files:
            raise FileNotFoundError(path)
        return files[path.name] + '\n'

    monkeypatch.setattr(_compat.Path, 'read_text', read)
    monkeypatch.setattr(_compat.os, 'sched_getaffinity', lambda _: set(range(8)), raising=False)
    assert _compat.usable_cores() == cores


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setattr(_compat, 'usable_cores', lambda: 1)
    monkeypatch.setattr(_compat.os, 'cpu_count', lambda: 4)
    for name in ('OMP_WAIT_POLICY', 'OMP_NUM_THREADS', 'OPENCV_IO_MAX_IMAGE_PIXELS'):
        monkeypatch.delenv(name, raising=False)
    _compat.set_threads()
    assert os.environ['OMP_WAIT_POLICY'] == 'passive' and os.environ['OMP_NUM_THREADS'] == '1'
    monkeypatch.setenv('OMP_WAIT_POLICY', 'active')
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    _compat.set_threads()
    assert os.environ['OMP_WAIT_POLICY'] == 'active' and os.environ['OMP_NUM_THREADS'] == '3'


@pytest.mark.skipif(sys.platform != 'linux', reason='glibc')
def test_freed_memory_is_used_again():
    """Pages of a step's temporaries are mapped once, not at every step, unless the user decides."""
    code = ('import resource, mmwsss, numpy as np\n'
            'def faults():\n'
            '    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n'
            'def step():\n'
            '    return [np.ones(20 << 20, np.uint8) for _ in range(5)]\n'
            'step(); before = faults()\n'
            'for _ in range(20): step()\n'
            'print(faults() - before)\n')
    clean = {key: value for key, value in os.environ.items() if not key.startswith('MALLOC_')}
    ours, users = (
        int(subprocess.run([sys.executable, '-c', code], env=clean | more, capture_output=True,
                           text=True, check=True).stdout)
        for more in ({}, {'MALLOC_ARENA_MAX': '8'}))
    assert ours * 10 < users


def test_the_policy_is_set_before_torch_is_loaded():
    code = ('import os, sys\n'
            'class Watch:\n'
            '    def find_spec(self, name, *_):\n'
            '        if name == "torch":\n'
            '            print(os.environ.get("OMP_WAIT_POLICY"))\n'
            'sys.meta_path.insert(0, Watch())\n'
            'import mmwsss, torch\n')
    environment = {k: v for k, v in os.environ.items() if k != 'OMP_WAIT_POLICY'}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          env=environment)
    assert done.stdout.split()[:1] == ['passive'], done.stderr


def test_a_config_is_formatted_once(monkeypatch):
    from mmengine.config import Config
    from yapf.yapflib import yapf_api
    called, cfg = [], Config(dict(model=dict(type='A', width=[1, 2]), note="it's"))
    original = yapf_api.FormatCode.__wrapped__

    def counted(text, **kwargs):
        called.append(text)
        return original(text, **kwargs)

    monkeypatch.setattr(yapf_api, 'FormatCode', counted)
    expected = cfg.pretty_text
    _compat._remembering(yapf_api)
    assert [cfg.pretty_text, cfg.pretty_text] == [expected] * 2 and len(called) == 2
    cfg.model.width = [1, 3]  # a changed config is another text
    assert cfg.pretty_text == expected.replace('2', '3') and len(called) == 3
    assert yapf_api.FormatCode('a = 1') == original('a = 1')
