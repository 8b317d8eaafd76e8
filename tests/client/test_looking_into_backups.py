"""Which backup a time means, one file to a stream, finding paths, and what differs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from thaniya_client import Directory, Incremental, LocalDirectory, Packer, Report, Target
from thaniya_client.cli.main import run
from thaniya_client.incremental import snapshot as snapshot_module
from thaniya_client.restoring.moments import newest_good, parse_moment
from thaniya_core.errors import IntegrityFailed, NotFound, WrongUsage
from thaniya_core.formats.protocol import BackupSummary

DAY = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(params=["target", "client"])
def place(request: pytest.FixtureRequest) -> Target:
    """Either place for backups."""
    found: Target = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def chain(place: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A full backup of web1 and two increments: a file changes and one comes, then one goes."""
    monkeypatch.setattr(snapshot_module, "_CLOCK_STEP_NS", 0)
    root = tmp_path / "source"
    (root / "etc").mkdir(parents=True)
    (root / "etc/app.conf").write_text("one")
    (root / "etc/kept.conf").write_text("kept")
    (root / "gone").write_text("gone")
    task = Directory(root, incremental=Incremental(state_directory=tmp_path / "state"))
    made = [place.backup(task, name="nightly", host="web1")]
    (root / "etc/app.conf").write_text("second")
    (root / "new").write_text("new")
    made.append(place.backup(task, name="nightly", host="web1"))
    (root / "gone").unlink()
    made.append(place.backup(task, name="nightly", host="web1"))
    assert [report.parent for report in made] == [None, made[0].id, made[1].id]
    return [report.id for report in made]


def read(place: Target, backup_id: str, path: str) -> bytes:
    into = io.BytesIO()
    assert place.restore_file(backup_id, path, into) == len(into.getvalue())
    return into.getvalue()


def test_everything_speaks_of_the_whole_tree_of_an_increment(place: Target, chain: list[str]) -> None:
    first, second, third = chain
    assert [read(place, each, "etc/app.conf") for each in chain] == [b"one", b"second", b"second"]
    assert read(place, third, "./etc/kept.conf") == b"kept"
    assert read(place, second, "gone") == b"gone"
    for backup_id, path in ((third, "gone"), (first, "new")):
        with pytest.raises(NotFound, match="not in backup"):
            read(place, backup_id, path)
    assert {(one.backup.id, one.inside.path) for one in place.find("gone")} == {(first, b"gone"), (second, b"gone")}
    assert {one.inside.path for one in place.find("etc/*.conf", newest=1)} == {b"etc/app.conf", b"etc/kept.conf"}
    assert {one.backup.id for one in place.find("^ne", regex=True, host="web1", name="nightly")} == {second, third}
    assert list(place.find("*", host="web2")) == []
    changes = [(one.change.value, one.path) for one in place.diff(first, third)]
    assert changes == [("changed", b"etc/app.conf"), ("removed", b"gone"), ("added", b"new")]
    assert list(place.diff(third, third)) == []
    assert place.find_backup(name="nightly", host="web1").id in chain  # several were made in one second


def test_odd_files_are_written_as_they_are(target: LocalDirectory, odd_tree: Path) -> None:
    made = target.backup(Directory(odd_tree), name="nightly")
    for name in (b"sparse", b"new\nline", b"not-utf-8-\xff\xfe", b"--help", b"hard\nlink", b"dir-plain.txt/hard"):
        path = Path(os.fsdecode(os.fsencode(odd_tree) + b"/" + name))
        assert read(target, made.id, os.fsdecode(name)) == path.read_bytes()
    for odd, told in (("symlink", "symbolic link"), ("empty", "not a file"), ("fifo", "not a file"), (".", "not one")):
        with pytest.raises(WrongUsage, match=told):
            read(target, made.id, odd)


def test_damage_of_the_archive_is_told(
    target: LocalDirectory, odd_tree: Path, archive_of: Callable[[str], Path]
) -> None:
    made = target.backup(Directory(odd_tree, compression="none"), name="nightly")
    file = archive_of(made.id) / "source.tar"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityFailed, match="damaged"):
        read(target, made.id, "plain.txt")


class Dump:
    """A plain file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        with out.open("dump.sql") as file:
            file.write(self._data)


def test_plain_files_are_found_compared_and_read(target: LocalDirectory) -> None:
    made = [target.backup(Dump(data), name="shop").id for data in (b"aa", b"bb", b"bb")]
    assert {one.backup.id for one in target.find("*.sql")} == set(made)
    (difference,) = target.diff(made[0], made[1])
    assert (difference.path, difference.what) == (b"dump.sql", ("content",))
    assert list(target.diff(made[1], made[2])) == []
    assert read(target, made[0], "dump.sql") == b"aa"


def summary(day: int, *, name: str = "nightly", broken: bool = False) -> BackupSummary:
    return BackupSummary(f"day {day}", "alice", "web1", name, DAY + timedelta(days=day), 1, 1, 1, broken=broken)


@pytest.mark.parametrize(("at", "expected"), [(None, 5), (5, 5), (4, 1), (1, 1)])
def test_newest_good_backup_at_a_time(at: int | None, expected: int) -> None:
    backups = [summary(5), summary(3, broken=True), summary(1)]
    moment = None if at is None else DAY + timedelta(days=at)
    assert newest_good(backups, moment, "nightly").id == f"day {expected}"


def test_time_before_all_backups_names_the_oldest() -> None:
    with pytest.raises(NotFound, match="the oldest good backup is day 1"):
        newest_good([summary(5), summary(1), summary(0, broken=True)], DAY, "nightly")
    with pytest.raises(WrongUsage, match="several series"):
        newest_good([summary(5), summary(4, name="hourly")], None, "your backups")


def test_a_date_is_the_end_of_that_day() -> None:
    midnight = datetime(2026, 3, 2).astimezone()
    assert parse_moment("2026-03-01") == parse_moment(date(2026, 3, 1)) == midnight - timedelta(microseconds=1)
    assert parse_moment("2026-03-01T12:00:00Z") == DAY + timedelta(hours=12)
    for wrong in ("yesterday", "2026-13-01", "", "9999-12-31"):
        with pytest.raises(WrongUsage, match="not a time"):
            parse_moment(wrong)


@pytest.fixture
def commanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of two backups by the configured command; the second has a file with a hostile name more."""
    monkeypatch.setenv("THANIYA_CLIENT_CONFIG", str(tmp_path / "client.toml"))
    (tmp_path / "disk").mkdir()
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_bytes(b"hello" * 100_000)
    assert run(["init", "--directory", str(tmp_path / "disk")]) == 0
    made = LocalDirectory(tmp_path / "disk")
    first: Report = made.backup(Directory(tmp_path / "source"), name="nightly")
    (tmp_path / "source/a\x1b[2J").touch()
    return [first.id, made.backup(Directory(tmp_path / "source"), name="nightly").id]


def test_commands_find_and_tell_differences(commanded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    first, second = commanded
    capsys.readouterr()
    assert run(["find", "a*"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(second) and shown.endswith("  a\\033[2J\n")
    assert run(["find", "nothing"]) == NotFound.exit_code
    assert run(["diff", first, first]) == 0
    capsys.readouterr()
    assert run(["diff", first, second]) == 3
    assert capsys.readouterr().out.splitlines() == ["+ a\\033[2J", "1 added, 0 removed, 0 changed"]
    assert run(["diff", first, second, "--json"]) == 3
    added, summed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (added["change"], added["before"], summed["added"]) == ("added", None, 1)


def test_command_restores_at_a_time(
    commanded: list[str], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(["restore", "--at", "2999-01-01", str(tmp_path / "restored"), "file"]) == 0
    assert [path.name for path in (tmp_path / "restored").iterdir()] == ["file"]
    capsysbinary.readouterr()
    assert run(["restore", "--name", "nightly", "--stdout", "file"]) == 0
    assert capsysbinary.readouterr().out == b"hello" * 100_000
    assert run(["restore", "--at", "2020-01-01", str(tmp_path / "other")]) == NotFound.exit_code
    assert b"the oldest good backup is" in capsysbinary.readouterr().err
    for wrong in (["--stdout", commanded[0]], [commanded[0]], ["--at", "x", "y"]):
        assert run(["restore", *wrong]) == WrongUsage.exit_code


def test_reader_that_goes_away_is_no_failure(commanded: list[str]) -> None:
    code = "from thaniya_client.cli.main import main; main()"
    pipe = 'set -o pipefail; "$0" -c "$1" restore "$2" --stdout file | head -c 5'
    done = subprocess.run(
        ["bash", "-c", pipe, sys.executable, code, commanded[0]],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (done.stdout, done.stderr) == (b"hello", b"")
