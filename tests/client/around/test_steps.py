"""Steps around a backup: in their order, told when they fail, and what is done is taken back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from thaniya_client import Busy, Directory, LocalDirectory, Packer, SourceFailed, StepFailed, WrongUsage
from thaniya_client.around.actions import Action
from thaniya_client.around.state import runs_directory
from thaniya_client.tasks.tools import Tool
from thaniya_core.errors import AlreadyExists

Lines = Callable[[], list[str]]


class Flag:
    """A ready-made step that makes a file and removes it."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    def describe(self) -> str:
        return f"make {self.file}"

    def tools(self) -> list[Tool]:
        return [Tool("mkdir")]

    def actions(self) -> list[Action]:
        return [
            Action(
                what=self.describe(),
                do=("mkdir", self.file),
                undo_what=f"remove {self.file}",
                undo=("rmdir", self.file),
                undo_needed_if=("test", "-e", self.file),
            )
        ]


class Failing:
    """A task that fails."""

    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        raise SourceFailed("the disk is on fire")


@pytest.fixture
def say(tmp_path: Path) -> Callable[[str], list[str]]:
    """A function that gives a command which adds a line to what was said."""
    return lambda word: ["sh", "-c", f'echo "{word}" >>"$1"', "sh", str(tmp_path / "said")]


@pytest.fixture
def said(tmp_path: Path) -> Lines:
    return lambda: (tmp_path / "said").read_text().splitlines() if (tmp_path / "said").exists() else []


def test_steps_are_done_in_their_order(
    target: LocalDirectory, source: Directory, say: Callable[[str], list[str]], said: Lines, tmp_path: Path
) -> None:
    here = tmp_path / "said"

    def look() -> None:
        with here.open("a") as file:
            file.write(f"flag {(tmp_path / 'flag').exists()}, backups {len(list(target.backups()))}\n")

    report = target.backup(
        source,
        name="nightly",
        before=[say("first"), Flag(tmp_path / "flag"), look],
        after=[look, say("last")],
        on_error=[say("error")],
    )
    assert said() == ["first", "flag True, backups 0", "flag False, backups 1", "last"]
    assert report.warnings == ()
    assert list(runs_directory().glob("*.json")) == []


def test_steps_and_what_they_say_are_in_the_log(
    target: LocalDirectory, source: Directory, archive_of: Callable[[str], Path]
) -> None:
    report = target.backup(source, name="nightly", before=[["sh", "-c", "echo careful >&2"]])
    log = (archive_of(report.id) / "client.log").read_text()
    assert "before the backup: `sh -c 'echo careful >&2'`" in log
    assert "    careful" in log


def fail() -> None:
    pytest.fail("it was called")


def boom() -> None:
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    "step, message",
    [
        (["sh", "-c", "echo no such luck >&2; exit 3"], "exit code 3: no such luck"),
        (boom, "boom(), before the backup, failed: RuntimeError: boom"),
        (["no-such-program"], "the program no-such-program is not there"),
    ],
)
def test_no_backup_is_made_when_a_step_before_it_fails(
    target: LocalDirectory,
    source: Directory,
    say: Callable[[str], list[str]],
    said: Lines,
    tmp_path: Path,
    step: Any,
    message: str,
) -> None:
    errors: list[BaseException] = []
    with pytest.raises(StepFailed) as failed:
        target.backup(
            source,
            name="nightly",
            before=[Flag(tmp_path / "flag"), step, say("never")],
            after=[say("after")],
            on_error=[errors.append, say("error $THANIYA_ERROR")],
        )
    assert message in str(failed.value)
    assert errors == [failed.value]
    assert said()[0] == "after"
    assert said()[1].startswith("error ")
    assert not (tmp_path / "flag").exists()
    assert list(target.backups()) == []


def test_all_is_taken_back_when_the_backup_fails(
    target: LocalDirectory, say: Callable[[str], list[str]], said: Lines, tmp_path: Path
) -> None:
    with pytest.raises(SourceFailed, match="on fire"):
        target.backup(
            Failing(),
            name="nightly",
            before=[Flag(tmp_path / "flag")],
            after=[say("after")],
            on_error=[say("$THANIYA_ERROR")],
        )
    assert said() == ["after", "the disk is on fire"]
    assert not (tmp_path / "flag").exists()


def test_a_failing_step_after_a_backup_is_a_warning_and_an_error_is_told(
    target: LocalDirectory, source: Directory, say: Callable[[str], list[str]], said: Lines
) -> None:
    errors: list[BaseException] = []
    report = target.backup(
        source, name="nightly", after=[boom, ["false"], say("after")], on_error=[errors.append, ["false"]]
    )
    assert report.state == "archived"
    assert said() == ["after"]
    assert report.warnings == (
        "cannot call boom: RuntimeError: boom",
        "cannot run `false`: `/usr/bin/false` ended with exit code 1",
        "`false`, on this error, failed: `/usr/bin/false` ended with exit code 1",
    )
    assert report.warning_count == 3
    assert isinstance(errors[0], StepFailed)
    assert report.id in str(errors[0])


def test_what_fails_beside_an_error_is_a_note_on_it(target: LocalDirectory) -> None:
    with pytest.raises(SourceFailed) as failed:
        target.backup(Failing(), name="nightly", after=[["false"]], on_error=[lambda error: boom()])
    notes = failed.value.__notes__
    assert [note.rpartition(": ")[2] for note in notes] == ["`/usr/bin/false` ended with exit code 1", "boom"]


def test_what_a_ready_made_step_finds_there_is_not_touched(
    target: LocalDirectory, source: Directory, tmp_path: Path
) -> None:
    (tmp_path / "flag").mkdir()
    with pytest.raises(StepFailed, match="is there already, and is left as it is") as failed:
        target.backup(source, name="nightly", before=[Flag(tmp_path / "flag")])
    assert isinstance(failed.value.__cause__, AlreadyExists)
    assert (tmp_path / "flag").exists()


@pytest.mark.parametrize("step", ["systemctl stop shop", [], [3], None, Flag(Path("x"))])
def test_what_is_no_step_is_refused(target: LocalDirectory, source: Directory, step: Any) -> None:
    with pytest.raises(WrongUsage, match="is not a step"):
        target.backup(source, name="nightly", after=[step])


SCRIPT = """
import signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_steps import Flag
from thaniya_client import LocalDirectory
class Slow:
    def estimate_bytes(self):
        return None
    def pack(self, out):
        print("packing", flush=True)
        signal.pause()
place = Path(sys.argv[2])
LocalDirectory(sys.argv[1], user="alice").backup(
    Slow(), name=sys.argv[4], host="web1", before=[Flag(place / "one"), Flag(place / "two")],
    after=[["sh", "-c", 'echo after >>"$1"', "sh", str(place / "said")]],
)
"""


@pytest.fixture
def other_run(target: LocalDirectory, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """A function that starts a process which has made `one` and `two` and is packing."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", SCRIPT, str(target.path), str(tmp_path), str(Path(__file__).parent), name]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "packing\n"
        assert (tmp_path / "one").exists()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_take_all_back(
    other_run: Callable[[str], subprocess.Popen[str]],
    number: signal.Signals,
    said: Lines,
    tmp_path: Path,
    incoming: Callable[[], list[Path]],
) -> None:
    process = other_run("nightly")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert said() == ["after"]
    assert not (tmp_path / "one").exists()
    assert incoming() == []
    assert list(runs_directory().glob("*.json")) == []


@pytest.mark.parametrize("killed, next_run", [("nightly", "nightly"), ("weekly", "nightly")])
def test_what_a_killed_run_has_done_the_next_takes_back(
    target: LocalDirectory,
    source: Directory,
    other_run: Callable[[str], subprocess.Popen[str]],
    killed: str,
    next_run: str,
    said: Lines,
    tmp_path: Path,
    archive_of: Callable[[str], Path],
) -> None:
    process = other_run(killed)
    process.kill()
    process.wait()
    assert (tmp_path / "two").exists()

    report = target.backup(
        source,
        name=next_run,
        host="web1",
        before=[Flag(tmp_path / "one")],
        after=[["test", "!", "-e", tmp_path / "one"]],
    )
    assert report.warnings == ()
    assert not (tmp_path / "one").exists()
    assert not (tmp_path / "two").exists()
    assert said() == ["after"]
    assert "an earlier run was killed" in (archive_of(report.id) / "client.log").read_text()
    assert list(runs_directory().glob("*.json")) == []


def test_what_a_run_at_work_has_done_stays(
    target: LocalDirectory, source: Directory, other_run: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    other_run("weekly")
    target.backup(source, name="nightly", host="web1")
    assert (tmp_path / "one").exists()


def test_a_run_that_finds_another_at_work_takes_nothing_back(
    target: LocalDirectory,
    source: Directory,
    other_run: Callable[[str], subprocess.Popen[str]],
    say: Callable[[str], list[str]],
    said: Lines,
    tmp_path: Path,
) -> None:
    other_run("nightly")
    with pytest.raises(Busy):
        target.backup(source, name="nightly", host="web1", before=[fail], after=[fail], on_error=[say("error")])
    assert said() == ["error"]
    assert (tmp_path / "one").exists()


def test_what_cannot_be_taken_back_is_told_and_tried_again(
    target: LocalDirectory, source: Directory, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"

    def put_something_in() -> None:
        (flag / "thing").touch()

    report = target.backup(source, name="nightly", before=[Flag(flag), put_something_in])
    assert "cannot remove" in report.warnings[0]
    (noted,) = runs_directory().glob("*.json")
    assert json.loads(noted.read_text())["debts"][0]["argv"] == ["rmdir", str(flag)]
    assert noted.stat().st_mode & 0o777 == 0o600

    report = target.backup(source, name="nightly")
    assert "what an earlier run has left: cannot remove" in report.warnings[0]
    (flag / "thing").unlink()
    assert target.backup(source, name="nightly").warnings == ()
    assert not flag.exists()
    assert not noted.exists()


def test_a_damaged_note_of_a_killed_run_is_told(target: LocalDirectory, source: Directory) -> None:
    target.backup(source, name="nightly")
    (lock,) = runs_directory().glob("*.lock")
    lock.with_suffix(".json").write_text("{")
    report = target.backup(source, name="nightly")
    assert "cannot be read" in report.warnings[0]
