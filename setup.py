"""Package of mmwsss; everything else about the tools is in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


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
    license='Apache-2.0',
    classifiers=[
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    packages=find_packages(include=['mmwsss', 'mmwsss.*']),
    package_data={'mmwsss.visualization': ['*.css', '*.js']},
    python_requires='>=3.10',
    install_requires=requirements('runtime'),
    extras_require={name: requirements(name) for name in ('optional', 'tests', 'docs')},
    zip_safe=False)
