"""Of two runs of a series one makes a backup."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from thaniya_client import Busy, Directory, LocalDirectory, Progress
from thaniya_client.around.state import prepare_runs_directory, runs_directory
from thaniya_core.errors import ExitCode, NotAllowed

SCRIPT = """
import signal, sys
from thaniya_client import LocalDirectory
class Slow:
    def estimate_bytes(self):
        return None
    def pack(self, out):
        print("packing", flush=True)
        signal.pause()
LocalDirectory(sys.argv[1], user="alice").backup(Slow(), name="nightly", host="web1")
"""


@pytest.fixture
def other_run(target: LocalDirectory) -> Iterator[subprocess.Popen[str]]:
    """A process that is making a backup of alice/web1/nightly."""
    argv = [sys.executable, "-c", SCRIPT, str(target.path)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "packing\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_says_who_holds_the_lock_since_when(
    target: LocalDirectory, source: Directory, other_run: subprocess.Popen[str]
) -> None:
    with pytest.raises(Busy, match=rf"of web1/nightly is running: process {other_run.pid}, since 2\d") as busy:
        target.backup(source, name="nightly", host="web1")
    assert busy.value.exit_code is ExitCode.BUSY
    assert busy.value.facts["process"] == other_run.pid
    assert list(target.backups()) == []


def test_other_series_and_places_are_not_locked(
    target: LocalDirectory, source: Directory, other_run: subprocess.Popen[str], tmp_path: Path
) -> None:
    target.backup(source, name="weekly", host="web1")
    target.backup(source, name="nightly", host="web2")
    (tmp_path / "other disk").mkdir()
    LocalDirectory(tmp_path / "other disk", user="alice").backup(source, name="nightly", host="web1")


def test_a_killed_run_leaves_no_lock(
    target: LocalDirectory, source: Directory, other_run: subprocess.Popen[str]
) -> None:
    other_run.kill()
    other_run.wait()
    assert target.backup(source, name="nightly", host="web1").warnings == ()


def test_a_run_in_the_same_process_is_told_too(target: LocalDirectory, source: Directory) -> None:
    refused: list[Busy] = []

    def begin_another(progress: Progress) -> None:
        if not refused:
            with pytest.raises(Busy, match=f"process {os.getpid()}") as busy:
                target.backup(source, name="nightly")
            refused.append(busy.value)

    target.backup(source, name="nightly", on_progress=begin_another)
    assert refused
    target.backup(source, name="nightly")


def test_lock_that_is_just_being_written_is_told_without_a_holder(
    target: LocalDirectory, source: Directory, other_run: subprocess.Popen[str]
) -> None:
    (lock,) = runs_directory().glob("web1,nightly-*.lock")
    lock.write_text("")
    with pytest.raises(Busy, match="another backup of web1/nightly has just begun"):
        target.backup(source, name="nightly", host="web1")


def test_a_state_directory_that_cannot_be_used_costs_no_backup(target: LocalDirectory, source: Directory) -> None:
    runs_directory().parent.mkdir(parents=True)
    runs_directory().write_text("in the way")
    report = target.backup(source, name="nightly")
    assert report.state == "archived"
    assert [warning.startswith("another run at the same time") for warning in report.warnings] == [True]


@pytest.mark.parametrize("how", ["writable by others", "link", "of another"])
def test_a_state_directory_of_others_is_not_used(how: str, tmp_path: Path) -> None:
    match how:
        case "link":
            runs_directory().parent.mkdir(parents=True)
            runs_directory().symlink_to(tmp_path)
        case "writable by others":
            prepare_runs_directory().chmod(0o777)
        case _ if os.geteuid() == 0:
            os.chown(prepare_runs_directory(), 65534, 65534)
        case _:
            pytest.skip("cannot run here: only root gives directories away")
    with pytest.raises(NotAllowed, match="of this account alone"):
        prepare_runs_directory()


def test_the_state_directory_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs_directory() == Path.home() / ".local/state/thaniya/runs"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert prepare_runs_directory() == tmp_path / "thaniya/runs"
    assert prepare_runs_directory().stat().st_mode & 0o777 == 0o700


def test_files_of_the_state_do_not_follow_links(
    target: LocalDirectory, source: Directory, archive_of: Callable[[str], Path], tmp_path: Path
) -> None:
    target.backup(source, name="nightly", host="web1")
    (lock,) = runs_directory().glob("web1,nightly-*.lock")
    lock.unlink()
    (tmp_path / "victim").write_text("precious")
    lock.symlink_to(tmp_path / "victim")
    target.backup(source, name="nightly", host="web1")
    assert (tmp_path / "victim").read_text() == "precious"
