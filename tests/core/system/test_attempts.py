"""One part that fails keeps nobody from the rest."""

from __future__ import annotations

import pytest

from thaniya_core.errors import NoSpace
from thaniya_core.system.attempts import attempt


@pytest.mark.parametrize("error", [NoSpace("the disk is full"), OSError("the disk is full")])
def test_failed_step_is_logged_and_the_caller_goes_on(caplog, error):
    def fails() -> None:
        raise error

    attempt("clean the volumes", fails)

    assert "cannot clean the volumes: the disk is full" in caplog.text


def test_mistake_of_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        attempt("divide", lambda: 1 / 0)
