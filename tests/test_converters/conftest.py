"""What all converters share."""

import re
from contextlib import contextmanager

import pytest


@pytest.fixture
def refused(capsys):
    """``with refused(regex):`` a converter ends with one line that says this."""

    @contextmanager
    def check(words):
        with pytest.raises(SystemExit) as error:
            yield
        assert error.value.code == 2
        assert re.search(words, capsys.readouterr().err)

    return check
