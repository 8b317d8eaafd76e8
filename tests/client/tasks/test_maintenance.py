"""A maintenance mode that is switched on is always taken back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from thaniya_client.tasks.maintenance import maintenance_mode
from thaniya_core.errors import Busy, SourceFailed

SCRIPT = """
import signal, sys
from pathlib import Path
from thaniya_client.tasks.maintenance import maintenance_mode
with maintenance_mode(Path(sys.argv[1]), lambda: "on", lambda text: None):
    print("on", flush=True)
    signal.pause()
"""


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return tmp_path / "site/flag"


@pytest.fixture
def other_run(flag: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """A function that starts a process which has the mode on."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", SCRIPT, str(flag)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def notes() -> tuple[list[str], Callable[[str], None]]:
    told: list[str] = []
    return told, told.append


def names(flag: Path) -> list[str]:
    return sorted(path.name for path in flag.parent.iterdir())


def test_flag_is_there_for_the_block_only(flag: Path) -> None:
    told, note = notes()
    with maintenance_mode(flag, lambda: "closed", note):
        assert flag.read_text() == "closed"
        assert flag.stat().st_mode & 0o777 == 0o644
    assert names(flag) == []
    assert told == [f"maintenance mode is on: {flag}", "maintenance mode is off"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_errors_take_it_back(flag: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), maintenance_mode(flag, lambda: "closed", print):
        raise error
    assert names(flag) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_take_it_back(
    flag: Path, other_run: Callable[[], subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = other_run()
    process.send_signal(number)
    assert process.wait() != 0
    assert names(flag) == []


def test_what_a_killed_run_leaves_the_next_takes_over(
    flag: Path, other_run: Callable[[], subprocess.Popen[str]]
) -> None:
    process = other_run()
    process.kill()
    process.wait()
    assert names(flag) == ["flag", "flag.thaniya"]
    with maintenance_mode(flag, lambda: "closed again", print):
        assert flag.read_text() == "closed again"
    assert names(flag) == []


def test_two_runs_do_not_take_it_back_from_each_other(
    flag: Path, other_run: Callable[[], subprocess.Popen[str]]
) -> None:
    other_run()
    with pytest.raises(Busy, match="backed up by another process"), maintenance_mode(flag, lambda: "x", print):
        pass
    assert flag.read_text() == "on"


def test_what_an_administrator_has_switched_on_stays(flag: Path) -> None:
    flag.write_text("closed for good")
    told, note = notes()
    with maintenance_mode(flag, lambda: "closed", note):
        assert flag.read_text() == "closed for good"
    assert flag.read_text() == "closed for good"
    assert names(flag) == ["flag"]
    assert any("somebody else" in text for text in told)


def test_it_is_renewed_as_long_as_it_lasts(flag: Path) -> None:
    written = iter(range(1_000_000))
    with maintenance_mode(flag, lambda: str(next(written)), print, renew_s=0.001):
        while int(flag.read_text()) < 3:
            pass
    assert names(flag) == []


@pytest.mark.parametrize("place", ["gone/flag", "file/flag"])
def test_a_place_that_cannot_be_written_is_told(flag: Path, place: str) -> None:
    (flag.parent / "file").touch()
    mode = maintenance_mode(flag.parent / place, lambda: "x", print)
    with pytest.raises(SourceFailed, match="cannot be switched on"), mode:
        pass


@pytest.mark.parametrize("how", ["symbolic link", "hard link", "pipe", "file of another"])
def test_no_other_file_is_changed_through_what_lies_there(flag: Path, tmp_path: Path, how: str) -> None:
    mark, victim = flag.with_name("flag.thaniya"), tmp_path / "victim"
    victim.write_text("precious")
    match how:
        case "symbolic link":
            mark.symlink_to(victim)
        case "hard link":
            mark.hardlink_to(victim)
        case "pipe":
            os.mkfifo(mark)
        case _ if os.geteuid() == 0:
            mark.write_text("made by another account")
            os.chown(mark, 65534, 65534)
        case _:
            pytest.skip("cannot run here: only root makes files of others")
    with pytest.raises(SourceFailed, match="cannot be switched on"), maintenance_mode(flag, lambda: "x", print):
        pass
    assert victim.read_text() == "precious"
    assert not flag.exists()


def test_handlers_of_signals_are_as_before(flag: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    with maintenance_mode(flag, lambda: "x", print):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == before
