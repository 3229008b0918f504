"""Package of mmwsss; everything else about the tools is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# What a wheel carries in mmwsss/.mim, as OpenMMLab's do; see mmwsss/utils/shipped.py.
SHIPPED = ('configs', 'tools')


class BuildPy(build_py):
    """Also copies configs and tools; an editable install finds them in the checkout."""

    def run(self):
        super().run()
        if getattr(self, 'editable_mode', False):
            return
        for name in SHIPPED:
            target = Path(self.build_lib, 'mmwsss', '.mim', name)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns('__pycache__'))
        for index in ROOT.glob('model-index.yml'):
            shutil.copy(index, target.parent)


def requirements(name):
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


def version():
    scope = {}
    exec((ROOT / 'mmwsss/version.py').read_text(), scope)
    return scope['__version__']


setup(
    name='mmwsss',
    version=version(),
    description='Weakly supervised semantic segmentation from image-level labels, OpenMMLab style',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    keywords=['computer vision', 'weakly supervised learning', 'semantic segmentation',
              'class activation maps', 'pseudo masks'],
    license='Apache-2.0',
    license_files=['LICENSE'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Console',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    packages=find_packages(include=['mmwsss', 'mmwsss.*']),
    package_data={'mmwsss.visualization': ['*.css', '*.js']},
    python_requires='>=3.10',
    install_requires=requirements('runtime'),
    extras_require={name: requirements(name) for name in ('optional', 'tests', 'docs')},
    entry_points=dict(console_scripts=['mmwsss = mmwsss.__main__:main']),
    cmdclass=dict(build_py=BuildPy),
    zip_safe=False)
