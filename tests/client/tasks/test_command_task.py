"""The output of a program as a backup."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Command, Compression, LocalDirectory, SourceFailed, WrongUsage
from thaniya_client.tasks.interface import describe_task
from thaniya_core.errors import IllegalName

ArchiveOf = Callable[[str], Path]


def shell(script: str, **options: object) -> Command:
    return Command(["sh", "-c", script], name="out.txt", **options)  # type: ignore[arg-type]


def test_output_is_the_file_and_stderr_is_in_the_log(target: LocalDirectory, archive_of: ArchiveOf) -> None:
    report = target.backup(shell("echo hello; echo careful >&2"), name="nightly")
    directory = archive_of(report.id)
    assert gzip.decompress((directory / "out.txt.gz").read_bytes()) == b"hello\n"
    assert "careful" in (directory / "client.log").read_text()
    assert report.warning_count == 0
    assert report.original_bytes >= 6


def test_large_output_comes_whole(target: LocalDirectory, archive_of: ArchiveOf) -> None:
    report = target.backup(shell("head -c 50000000 /dev/zero", compression="none"), name="nightly")
    assert (archive_of(report.id) / "out.txt").stat().st_size == 50_000_000


def test_a_failing_program_fails_the_backup_and_says_why(
    target: LocalDirectory, incoming: Callable[[], list[Path]], all_archived: Callable[[], list[str]]
) -> None:
    with pytest.raises(SourceFailed, match=r"exit code 3: no such database") as failed:
        target.backup(shell("echo half a dump; echo no such database >&2; exit 3"), name="nightly")
    assert failed.value.facts["exit_code"] == 3
    assert all_archived() == []
    assert incoming() == []


def test_a_killed_program_fails_the_backup(target: LocalDirectory, all_archived: Callable[[], list[str]]) -> None:
    with pytest.raises(SourceFailed, match="exit code -9"):
        target.backup(shell("echo half a dump; kill -9 $$"), name="nightly")
    assert all_archived() == []


def test_an_empty_dump_is_never_a_success_unless_told(
    target: LocalDirectory, archive_of: ArchiveOf, all_archived: Callable[[], list[str]]
) -> None:
    with pytest.raises(SourceFailed, match="wrote nothing"):
        target.backup(Command(["true"], name="out.txt"), name="nightly")
    assert all_archived() == []
    report = target.backup(Command(["true"], name="out.txt", allow_empty=True), name="nightly")
    assert gzip.decompress((archive_of(report.id) / "out.txt.gz").read_bytes()) == b""


def test_the_program_reads_nothing(target: LocalDirectory, archive_of: ArchiveOf) -> None:
    report = target.backup(shell("cat; echo end", compression=Compression.NONE), name="nightly")
    assert (archive_of(report.id) / "out.txt").read_text() == "end\n"


def test_environment_is_handed_on_and_told_to_nobody(target: LocalDirectory, archive_of: ArchiveOf) -> None:
    task = shell('echo "${#PASSWORD}"', env={"PASSWORD": "very secret"}, compression="none")
    report = target.backup(task, name="nightly")
    directory = archive_of(report.id)
    assert (directory / "out.txt").read_text() == "11\n"
    for file in directory.iterdir():
        assert b"very secret" not in file.read_bytes()
    assert "very secret" not in repr(task) + repr(report) + describe_task(task)


def test_a_missing_program_is_told_before_anything_is_begun(target: LocalDirectory) -> None:
    with pytest.raises(SourceFailed, match="pg_dumpling is not there"):
        target.backup(Command(["pg_dumpling", "shop"], name="shop.sql"), name="nightly")
    assert not (target.path / ".incoming").exists()


def test_recipe_restores(target: LocalDirectory, tmp_path: Path, follow: Callable[..., str]) -> None:
    task = shell("echo rows", restore=["# into the database", 'gzip -dc ./out.txt.gz >"$DATABASE"'])
    report = target.backup(task, name="nightly")
    follow(report.id, env={"DATABASE": str(tmp_path / "database")})
    assert (tmp_path / "database").read_text() == "rows\n"
    assert target.show(report.id).recipes[0].lines == task.restore
    assert target.restore(report.id, into=tmp_path / "by the library").recipes[0].lines == task.restore


def test_it_says_what_it_is_about_to_do() -> None:
    assert describe_task(Command(["pg_dump", "my shop"], name="shop.sql")) == (
        "the output of `pg_dump 'my shop'`, as shop.sql.gz"
    )


def test_wrong_usage_is_told_at_once() -> None:
    with pytest.raises(WrongUsage, match="not a list"):
        Command("pg_dump shop", name="shop.sql")
    with pytest.raises(WrongUsage, match="not a list"):
        Command([], name="shop.sql")
    with pytest.raises(IllegalName):
        Command(["true"], name="../shop.sql")
    with pytest.raises(WrongUsage, match="control character"):
        Command(["true"], name="shop.sql", restore=["two\nlines"])
