from __future__ import annotations

import os
import sys

from thaniya_core.system.locks import is_locked, locked, try_lock
from thaniya_core.system.run import Process

LONG_S = 60.0


def test_lock_is_held_by_one_only(tmp_path):
    with locked(tmp_path / "lock"):
        assert try_lock(tmp_path / "lock") is None

    descriptor = try_lock(tmp_path / "lock")
    assert descriptor is not None
    os.close(descriptor)


def test_killed_process_holds_no_lock(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from thaniya_core.system.locks import try_lock;"
        f"assert try_lock(Path({str(tmp_path / 'lock')!r})) is not None; print('held', flush=True); time.sleep(60)"
    )
    with Process([sys.executable, "-c", script], timeout_s=LONG_S, stdout=True) as process:
        assert process.stdout.readline() == b"held\n"
        assert try_lock(tmp_path / "lock") is None
        process.kill()
        process.wait()

    descriptor = try_lock(tmp_path / "lock")
    assert descriptor is not None
    os.close(descriptor)


def test_whether_a_lock_is_held_can_be_asked_without_making_or_taking_it(tmp_path):
    file = tmp_path / "lock"
    assert not is_locked(file)
    assert not file.exists()
    with locked(file):
        assert is_locked(file)
    assert not is_locked(file)
    descriptor = try_lock(file)
    assert descriptor is not None
    os.close(descriptor)
