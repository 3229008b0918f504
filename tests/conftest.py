"""What every test starts from."""

import pytest

import mmwsss  # noqa: F401  (first: it prepares the imports of mmengine and torchvision)


@pytest.fixture(autouse=True)
def default_scope():
    """The scope that a config sets; a Runner of another test would leave its own."""
    from mmengine.registry import init_default_scope
    init_default_scope('mmwsss')


@pytest.fixture
def without_weights():
    """A config that names no file of pretrained weights."""
    def strip(config):
        if isinstance(config, dict):
            if config.get('type') == 'Pretrained':
                return None
            return {key: strip(value) for key, value in config.items()}
        if isinstance(config, (list, tuple)):
            return [strip(value) for value in config]
        return config
    return strip
