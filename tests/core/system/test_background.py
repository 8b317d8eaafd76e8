"""Work that others must not feel."""

from __future__ import annotations

import os
import threading

import pytest

from thaniya_core.system.background import run_in_background
from thaniya_core.system.run import run


def test_step_and_what_it_starts_have_the_lowest_priority_and_nobody_else():
    before = os.getpriority(os.PRIO_PROCESS, 0)

    own, child = run_in_background(
        lambda: (os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), run(["nice"], timeout_s=10).stdout)
    )

    assert (own, child.strip()) == (19, b"19")
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_failure_comes_out():
    with pytest.raises(KeyError):
        run_in_background(lambda: {}["nothing"])
