"""A copy of a SQLite database that programs write to."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from thaniya_client import LocalDirectory, SourceFailed, SQLite

Restored = Callable[[str], Path]

WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
number = 0
while True:
    number += 1
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO debit VALUES (?, ?)", (number, "x" * 2000))
    database.execute("UPDATE total SET value = value + 1")
    database.execute("INSERT INTO credit VALUES (?)", (number,))
    database.execute("COMMIT")
    print(number, flush=True)
"""


@pytest.fixture(params=["wal", "delete"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A database of some megabytes in which each debit has its credit, in both kinds of journal."""
    path = tmp_path / "app ü.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={request.param}")
        connection.executescript(
            "CREATE TABLE debit(number, filler); CREATE TABLE credit(number); CREATE TABLE total(value);"
            "INSERT INTO total VALUES (0); CREATE TABLE bulk(data);"
        )
        connection.executemany("INSERT INTO bulk VALUES (?)", [(os.urandom(100_000),) for _ in range(200)])
        connection.commit()
    return path


@contextmanager
def written_to(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process writes as fast as it can."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, database], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    try:
        assert writer.stdout.readline()
        yield writer
    finally:
        writer.kill()
        writer.communicate()


def counts(database: Path) -> tuple[int, int, int]:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        sql = "SELECT (SELECT count(*) FROM debit), (SELECT count(*) FROM credit), (SELECT value FROM total)"
        debits, credits, total = connection.execute(sql).fetchone()
    return debits, credits, total


def test_copy_is_of_one_moment_under_write_load(
    database: Path, target: LocalDirectory, follow: Callable[..., str], tmp_path: Path
) -> None:
    with written_to(database) as writer:
        report = target.backup(SQLite(database), name="nightly")
        assert writer.poll() is None
    follow(report.id)
    debits, credits, total = counts(tmp_path / f"restored {report.id}" / "app__.db.restored")
    assert debits == credits == total > 0
    assert debits <= counts(database)[0]
    assert report.warning_count == 0


def test_no_copy_is_left_behind(database: Path, target: LocalDirectory, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    target.backup(SQLite(database, scratch=scratch), name="nightly")

    class OutOfLuck(Exception):
        pass

    def fail(progress: object) -> None:
        if list(scratch.iterdir()):
            raise OutOfLuck

    with pytest.raises(OutOfLuck):
        target.backup(SQLite(database, scratch=scratch, compression="none"), name="nightly", on_progress=fail)
    assert list(scratch.iterdir()) == []


def test_a_locked_database_fails_the_backup(
    database: Path, target: LocalDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thaniya_client.tasks.sqlite._BUSY_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        holder.execute("INSERT INTO credit VALUES (0)")
        if holder.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            return  # readers do not wait for writers
        with pytest.raises(SourceFailed, match="locked") as failed:
            target.backup(SQLite(database), name="nightly")
    assert "held the database locked" in failed.value.hint


def test_a_damaged_database_is_kept_with_a_warning(database: Path, target: LocalDirectory) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 40960)
    report = target.backup(SQLite(database), name="nightly")
    assert any("is damaged" in warning for warning in report.warnings)


def test_what_is_no_database_fails_the_backup(target: LocalDirectory, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, however long it goes on" * 100)
    for path in (tmp_path / "text.db", tmp_path / "missing.db"):
        with pytest.raises(SourceFailed, match="cannot be backed up"):
            target.backup(SQLite(path), name="nightly")
    assert not (tmp_path / "missing.db").exists()
