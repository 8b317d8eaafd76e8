"""A directory as the place for backups."""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Directory, LocalDirectory
from thaniya_core.errors import IllegalName, IntegrityFailed, NotFound
from thaniya_core.formats.names import check_id
from thaniya_core.initialise import initialise
from thaniya_core.system.run import run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small directory."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_text("hello")
    return tmp_path / "source"


def test_layout_is_that_of_a_volume(
    target: LocalDirectory, source: Path, archive_of: Callable[[str], Path], incoming: Callable[[], list[Path]]
) -> None:
    report = target.backup(Directory(source), name="nightly", host="web1")

    directory = archive_of(report.id)
    assert directory == target.path / "archive/alice/web1/nightly" / report.id
    assert sorted(path.name for path in directory.iterdir()) == [
        "RESTORE.txt",
        "SHA256SUMS",
        "backup.json",
        "client.log",
        "source.files.gz",
        "source.tar.gz",
    ]
    assert json.loads((target.path / "volume.json").read_text())["format"] == 1
    assert incoming() == []
    run(["sha256sum", "-c", "SHA256SUMS"], timeout_s=30, cwd=directory)


def test_a_server_takes_the_directory_up_as_a_volume(target: LocalDirectory, source: Path, tmp_path: Path) -> None:
    report = target.backup(Directory(source), name="nightly", host="web1")
    server = initialise(tmp_path / "server", "test", volume=target.path)

    (volume,) = server.volumes.all()
    server.catalog.rebuild()

    assert (volume.label, volume.id) == ("disk", check_id(volume.id))
    assert [backup.id for backup in server.catalog.find()] == [report.id]


def test_directory_of_a_later_format_is_not_written_to(target: LocalDirectory, source: Path) -> None:
    (target.path / "volume.json").write_text('{"id": "x", "label": "disk", "format": 99}')
    with pytest.raises(IntegrityFailed, match="format 99"):
        target.backup(Directory(source), name="nightly")
    assert not list(target.path.glob("archive/*"))


def test_list_is_newest_first_and_can_be_narrowed(target: LocalDirectory, source: Path) -> None:
    reports = [
        target.backup(Directory(source), name=name, host=host) for name, host in (("a", "x"), ("b", "x"), ("a", "y"))
    ]

    ids = [backup.id for backup in target.backups()]
    assert ids == sorted((report.id for report in reports), reverse=True)
    assert {backup.name for backup in target.backups(name="a")} == {"a"}
    assert [backup.host for backup in target.backups(host="y")] == ["y"]


def test_users_do_not_see_each_other(target: LocalDirectory, source: Path) -> None:
    report = target.backup(Directory(source), name="nightly")
    other = LocalDirectory(target.path, user="bob")
    assert list(other.backups()) == []
    with pytest.raises(NotFound):
        other.show(report.id)


def test_missing_directory_is_not_made(tmp_path: Path, source: Path) -> None:
    with pytest.raises(NotFound, match="mount the disk"):
        LocalDirectory(tmp_path / "unmounted").backup(Directory(source), name="nightly")
    assert not (tmp_path / "unmounted").exists()


def test_leftovers_of_killed_clients_are_removed_but_not_those_at_work(target: LocalDirectory, source: Path) -> None:
    target.backup(Directory(source), name="nightly")
    dead = target.path / ".incoming/20200101T000000Z-000000"
    at_work = target.path / ".incoming/20200101T000000Z-000001"
    for directory in (dead, at_work):
        directory.mkdir()
        (directory / "home.tar.gz").touch()
    descriptor = os.open(at_work, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        target.backup(Directory(source), name="nightly")
    finally:
        os.close(descriptor)
    assert not dead.exists()
    assert at_work.exists()


def test_files_are_fetched_as_stored(target: LocalDirectory, source: Path, archive_of: Callable[[str], Path]) -> None:
    report = target.backup(Directory(source), name="nightly")
    for name in ("source.tar.gz", "RESTORE.txt", "backup.json"):
        into = io.BytesIO()
        size = target.fetch(report.id, name, into)
        assert into.getvalue() == (archive_of(report.id) / name).read_bytes()
        assert size == len(into.getvalue())
    with pytest.raises(NotFound, match=r"it has source\.tar\.gz"):
        target.fetch(report.id, "../backup.json", io.BytesIO())


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-x", "x" * 65])
def test_illegal_series_is_refused(target: LocalDirectory, source: Path, name: str) -> None:
    with pytest.raises(IllegalName):
        target.backup(Directory(source), name=name)


def test_a_disk_that_is_not_mounted_is_not_a_disk_without_backups(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        list(LocalDirectory(tmp_path / "missing").backups())
