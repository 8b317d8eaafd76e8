"""A run keeps to its limits, and is tried again."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thaniya_client import (
    Command,
    ConnectionLost,
    Directory,
    LocalDirectory,
    NotAllowed,
    OutOfTime,
    Packer,
    Phase,
    Progress,
    SourceFailed,
    ThaniyaError,
    WrongUsage,
)
from thaniya_client.around.priority import lowered_priority
from thaniya_client.paced_writer import PacedWriter
from thaniya_core.system.run import run
from thaniya_core.testing import FixedClock


@pytest.fixture
def source(tmp_path: Path) -> Directory:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_bytes(os.urandom(300_000))
    return Directory(tmp_path / "source")


class Unlucky:
    """A task that fails a number of times."""

    def __init__(self, failures: int, error: ThaniyaError | None = None) -> None:
        self.failures = failures
        self.error = error or ConnectionLost("the line is bad")
        self.tries = 0

    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        self.tries += 1
        if self.tries <= self.failures:
            raise self.error
        with out.open("file") as file:
            file.write(b"lucky")


def test_a_failed_run_is_tried_again_with_its_steps(target: LocalDirectory, archive_of: Callable[[str], Path]) -> None:
    said: list[str] = []
    seen: list[Progress] = []
    report = target.backup(
        Unlucky(2),
        name="nightly",
        retries=2,
        retry_pause_s=0,
        before=[lambda: said.append("before")],
        after=[lambda: said.append("after")],
        on_error=[lambda error: said.append("error")],
        on_progress=seen.append,
    )
    assert (report.tries, report.warnings) == (3, ())
    assert said == ["before", "after"] * 3
    assert "try 1 of 3 failed: the line is bad; again in 0 s" in [p.detail for p in seen if p.phase is Phase.WAITING]
    assert "try 2 of 3 failed: the line is bad" in (archive_of(report.id) / "client.log").read_text()


def test_tries_come_to_an_end(target: LocalDirectory) -> None:
    task, errors = Unlucky(5), list[BaseException]()
    with pytest.raises(ConnectionLost):
        target.backup(task, name="nightly", retries=1, retry_pause_s=0, on_error=[errors.append])
    assert (task.tries, len(errors)) == (2, 1)


@pytest.mark.parametrize("error", [WrongUsage("no"), NotAllowed("no")])
def test_what_waiting_does_not_mend_is_not_tried_again(target: LocalDirectory, error: ThaniyaError) -> None:
    task = Unlucky(5, error)
    with pytest.raises(type(error)):
        target.backup(task, name="nightly", retries=3)
    assert task.tries == 1


def test_a_program_that_hangs_is_ended_by_the_time_limit(
    target: LocalDirectory, incoming: Callable[[], list[Path]]
) -> None:
    said: list[str] = []
    errors: list[BaseException] = []
    with pytest.raises(OutOfTime, match="not done within") as failed:
        target.backup(
            Command(["sleep", "600"], name="never"),
            name="nightly",
            time_limit_s=0.3,
            retries=5,
            retry_pause_s=0,
            after=[lambda: said.append("after")],
            on_error=[errors.append],
        )
    assert said == ["after"]
    assert errors == [failed.value]
    assert incoming() == []
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


class Endless:
    """A task that never comes to an end."""

    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        with out.open("endless") as file:
            while True:
                file.write(b"x")


def test_the_time_limit_holds_in_other_threads_too(target: LocalDirectory) -> None:
    errors: list[BaseException] = []

    def back_up() -> None:
        try:
            target.backup(Endless(), name="nightly", time_limit_s=0.2)
        except OutOfTime as exc:
            errors.append(exc)

    thread = threading.Thread(target=back_up)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_a_run_within_its_time_is_not_disturbed(target: LocalDirectory, source: Directory) -> None:
    assert target.backup(source, name="nightly", time_limit_s=600).state == "archived"
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_alarm_of_the_program_itself_is_left_alone(target: LocalDirectory, source: Directory) -> None:
    def own(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGALRM, own)
    try:
        target.backup(source, name="nightly", time_limit_s=600)
        assert signal.getsignal(signal.SIGALRM) is own
    finally:
        signal.signal(signal.SIGALRM, before)


class Taken:
    """Notes when bytes arrive."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.pieces: list[tuple[float, int]] = []
        self.ended: list[str] = []

    def write(self, data: bytes) -> None:
        self.pieces.append((self.clock.monotonic(), len(data)))

    def close(self) -> None:
        self.ended.append("closed")

    def abandon(self) -> None:
        self.ended.append("abandoned")


def test_bytes_are_sent_no_faster_than_told_and_not_in_bursts() -> None:
    clock = FixedClock()
    begun = clock.monotonic()
    taken = Taken(clock)
    writer = PacedWriter(taken, 100_000, clock)
    writer.write(bytes(1_000_000))
    writer.close()
    assert sum(size for _, size in taken.pieces) == 1_000_000
    assert clock.monotonic() - begun == pytest.approx(10)
    for moment, _ in taken.pieces:
        assert sum(size for at, size in taken.pieces if moment <= at < moment + 0.999) <= 112_500
    assert taken.ended == ["closed"]


def test_a_file_that_is_given_up_waits_for_nothing() -> None:
    clock = FixedClock()
    taken = Taken(clock)
    writer = PacedWriter(taken, 10, clock)
    writer.abandon()
    writer.write(bytes(1_000_000))
    assert (taken.pieces, taken.ended) == ([], ["abandoned"])


def test_a_slow_backup_is_whole(
    target: LocalDirectory, source: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FixedClock()
    begun = clock.monotonic()
    monkeypatch.setattr("thaniya_client.paced_writer.SystemClock", lambda: clock)
    report = target.backup(source, name="nightly", bytes_per_s=1000)
    assert clock.monotonic() - begun == pytest.approx(sum(file.size_bytes or 0 for file in report.files) / 1000)
    target.restore(report.id, into=tmp_path / "restored")
    assert (tmp_path / "restored/file").read_bytes() == (tmp_path / "source/file").read_bytes()


def in_thread(function: Callable[[], None]) -> None:
    """Run in a thread of its own, whose niceness may stay lowered."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_programs_of_a_nice_run_are_nice(
    target: LocalDirectory, archive_of: Callable[[str], Path], tmp_path: Path
) -> None:
    ids: list[str] = []

    def back_up() -> None:
        task = Command(["sh", "-c", "nice; ionice"], name="told", compression="none")
        ids.append(target.backup(task, name="nightly", nice=7, idle_disk=True).id)

    in_thread(back_up)
    nice, disk = (archive_of(ids[0]) / "told").read_text().splitlines()
    assert (nice, disk) == (str(max(7, os.getpriority(os.PRIO_PROCESS, 0))), "idle")


def may_take_niceness_back() -> bool:
    allowed: list[bool] = []

    def work() -> None:
        now = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, now + 1)
        try:
            os.setpriority(os.PRIO_PROCESS, 0, now)
            allowed.append(True)
        except PermissionError:
            allowed.append(False)

    in_thread(work)
    return allowed[0]


def test_priorities_are_as_before() -> None:
    def disk() -> str:
        return run(["ionice", "-p", str(threading.get_native_id())], timeout_s=30).stdout.decode()

    told: list[Any] = []

    def work() -> None:
        told.append((os.getpriority(os.PRIO_PROCESS, 0), disk()))
        with lowered_priority(5, True, told.append):
            pass
        told.append((os.getpriority(os.PRIO_PROCESS, 0), disk()))

    in_thread(work)
    assert len(told) == 2
    assert told[0][1] == told[1][1]
    assert told[1][0] == (told[0][0] if may_take_niceness_back() else max(told[0][0], 5))


def test_a_disk_that_cannot_be_left_to_others_is_a_warning(
    target: LocalDirectory, source: Directory, programs: Callable[[str, str], None]
) -> None:
    programs("ionice", "echo no such luck >&2; exit 1")
    report = target.backup(source, name="nightly", idle_disk=True)
    assert [bool(re.search("the disk is not left to others.*no such luck", text)) for text in report.warnings] == [True]


@pytest.mark.parametrize(
    "limits",
    [
        {"retries": -1},
        {"retry_pause_s": -1.0},
        {"time_limit_s": 0.0},
        {"bytes_per_s": 0},
        {"nice": -5},
        {"nice": 20},
    ],
)
def test_limits_that_cannot_be_kept_are_refused(target: LocalDirectory, source: Directory, limits: Any) -> None:
    with pytest.raises(WrongUsage, match=next(iter(limits))):
        target.backup(source, name="nightly", **limits)


def test_a_source_that_fails_is_tried_again(target: LocalDirectory) -> None:
    assert target.backup(Unlucky(1, SourceFailed("x")), name="n", retries=1, retry_pause_s=0).tries == 2
