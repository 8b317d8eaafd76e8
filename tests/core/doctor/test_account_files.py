"""Locks on the files of accounts."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from thaniya_core.doctor.account_files import check_account_locks
from thaniya_core.doctor.finding import Level

HOUR_S = 3600
OWN_PID = str(os.getpid()).encode()
NO_PROCESS = b"4194305"  # one more than the kernel gives (PID_MAX_LIMIT)


def _lock(subject, tmp_path, content: bytes, age_s: float):
    lock = tmp_path / "shadow.lock"
    lock.write_bytes(content)
    made_at = (subject.clock.now() - timedelta(seconds=age_s)).timestamp()
    os.utime(lock, (made_at, made_at))
    return lock


def test_no_lock_is_well(subject, tmp_path):
    assert [finding.level for finding in check_account_locks(subject, tmp_path)] == [Level.OK]


@pytest.mark.parametrize(
    ("content", "age_s"),
    [(NO_PROCESS + b"\0", HOUR_S), (OWN_PID + b"\0", 1), (OWN_PID, 1)],
    ids=["its process is gone", "held for an instant", "without its end"],
)
def test_lock_that_keeps_nobody_off_is_well(subject, tmp_path, content, age_s):
    _lock(subject, tmp_path, content, age_s)

    assert [finding.level for finding in check_account_locks(subject, tmp_path)] == [Level.OK]


@pytest.mark.parametrize("content", [b"", b"\0", b"somebody", OWN_PID + b"\n"], ids=["empty", "nul", "text", "line"])
def test_lock_that_names_no_process_is_told_with_its_cure(subject, tmp_path, content):
    lock = _lock(subject, tmp_path, content, 0)

    (finding,) = check_account_locks(subject, tmp_path)

    assert (finding.level, finding.cure) == (Level.FAIL, f"rm {lock}")


def test_lock_whose_number_another_process_has_is_told(subject, tmp_path):
    lock = _lock(subject, tmp_path, OWN_PID + b"\0", HOUR_S)

    (finding,) = check_account_locks(subject, tmp_path)

    assert finding.level is Level.FAIL
    assert f"{lock} is held for 60 min by process {OWN_PID.decode()} (" in finding.what
    assert f"rm {lock}" in finding.cure
