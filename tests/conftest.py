"""What every test starts from."""

import pytest

import mmwsss  # noqa: F401  (first: it prepares the imports of mmengine and torchvision)


@pytest.fixture(autouse=True)
def default_scope():
    """The scope that a config sets; a Runner of another test would leave its own."""
    from mmengine.registry import init_default_scope
    init_default_scope('mmwsss')
