"""The catalog is an index; the volumes are the truth."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.archive import inventory, presence
from thaniya_core.errors import AlreadyExists, IntegrityFailed, NotAllowed, NotFound, ThaniyaError
from thaniya_core.formats.names import Series
from thaniya_core.formats.notes import Notes
from thaniya_core.server import Server

DEEP = pytest.param(b'{"later": ' + b"[" * 5000, id="nested too deep")


@pytest.fixture
def after_loss(root: Path, reopen: Callable[[], Server]) -> Callable[[], Server]:
    """The server with an empty state directory and its volume taken up again."""

    def lose() -> Server:
        shutil.rmtree(root / "state")
        server = reopen()
        server.volumes.add(root / "volume", "any", "login:root")
        return server

    return lose


def test_catalog_is_rebuilt_from_the_volume_alone(server, archived, after_loss):
    backups = [archived(), archived(), archived()]
    volume = server.volumes.all()

    fresh = after_loss()
    report = fresh.catalog.rebuild()

    assert (report.found, report.added, report.removed, report.unreadable) == (3, 3, 0, ())
    assert fresh.volumes.all() == volume
    assert fresh.catalog.find() == sorted(backups, key=lambda backup: backup.id, reverse=True)
    assert fresh.backups.verify(backups[0], "login:root").broken == ""


def test_rebuilding_again_changes_nothing_and_keeps_what_was_verified(server, archived):
    verified = server.backups.verify(archived(), "login:root")

    report = server.catalog.rebuild()

    assert (report.found, report.added, report.removed) == (1, 0, 0)
    assert server.catalog.find() == [verified]


def test_who_rebuilds_and_what_came_of_it_is_in_the_audit_log(server, archived, volume):
    archived()
    server.rebuild_catalog("login:root")
    (volume / "archive" / "alice" / "web1" / "nightly" / "no-backup").mkdir()
    server.rebuild_catalog("login:eve")

    events = [event for event in server.events() if event.action == "catalog.rebuild"]

    assert [(event.actor, event.ok, event.detail) for event in events] == [
        ("login:root", True, "1 found, 0 added, 0 removed"),
        ("login:eve", False, "1 found, 0 added, 0 removed, 1 unreadable"),
    ]


def test_backup_that_is_pinned_while_the_catalog_is_rebuilt_stays_pinned(server, archived, monkeypatch):
    backup = archived()
    read = inventory.read_notes
    calls = 0

    def pinned_in_the_next_moment(directory: Path) -> Notes:
        nonlocal calls
        calls += 1
        notes = read(directory)
        if calls == 1:
            server.backups.pin(backup, True, "login:root")
        return notes

    monkeypatch.setattr(inventory, "read_notes", pinned_in_the_next_moment)
    server.catalog.rebuild()

    assert server.catalog.get(backup.id).notes == Notes(pinned=True)


def test_backup_that_is_entered_again_keeps_what_was_verified_unless_it_lies_elsewhere(server, archived):
    backup = archived()
    verified = server.backups.verify(backup, "login:root")

    server.catalog.add(backup)
    kept = server.catalog.get(backup.id)
    elsewhere = replace(backup, volume="20261123T211500Z-ffffff")
    server.catalog.add(elsewhere)

    assert kept == verified
    assert server.catalog.get(backup.id) == elsewhere


def test_backup_that_is_gone_from_the_volume_is_forgotten(server, archived):
    backup = archived()
    shutil.rmtree(server.catalog.directory(backup))

    assert server.catalog.rebuild().removed == 1
    assert server.catalog.find() == []


def test_backups_of_a_missing_volume_stay_known(server, archived, volume):
    backup = archived()
    volume.rename(volume.with_name("unmounted"))

    report = server.catalog.rebuild()

    assert (report.removed, report.missing_volumes) == (0, ("first",))
    assert server.catalog.get(backup.id) == backup
    with pytest.raises(NotFound, match="is its disk mounted"):
        server.catalog.directory(backup)


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": 1}', b"\xff", b'{"id": "\xff"}', DEEP])
def test_unreadable_document_is_told_and_the_others_are_found(server, archived, content):
    bad, good = archived(), archived()
    file = server.catalog.directory(bad) / "backup.json"
    file.chmod(0o640)
    file.write_bytes(content)

    report = server.catalog.rebuild()

    (told,) = report.unreadable
    assert str(file.parent) in told
    assert good in server.catalog.find()


@pytest.mark.parametrize("name", ["backup.json", "backup.notes.json", "SHA256SUMS", "RESTORE.txt"])
def test_pipe_in_place_of_a_document_holds_nothing_up(server, archived, name):
    backup = archived()
    file = server.catalog.directory(backup) / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)

    assert len(server.catalog.rebuild().unreadable) == (name in ("backup.json", "backup.notes.json"))
    assert "not a regular file" in server.backups.verify(backup, "login:root").broken or name == "backup.notes.json"


def test_directories_that_are_no_backups_are_told(server, archived, volume):
    backup = archived()
    place = server.catalog.directory(backup)
    shutil.copytree(place, place.with_name("20200101T000000Z-000000"))
    (place.parent / "lost+found").mkdir()
    (place.parent / "20200101T000001Z-000000").mkdir()
    (place.parent / "a file").touch()

    report = server.catalog.rebuild()

    assert len(report.unreadable) == 3
    assert server.catalog.find() == [backup]


def test_directory_with_an_illegal_name_stops_no_rebuild(server, archived, volume):
    backup = archived()
    place = server.catalog.directory(backup)
    copy = volume / "archive" / "Not A User" / "web1" / "nightly" / backup.id
    shutil.copytree(place, copy)
    file = copy / "backup.json"
    file.chmod(0o640)
    file.write_bytes(file.read_bytes().replace(b'"alice"', b'"Not A User"'))

    report = server.catalog.rebuild()

    assert [str(copy) in told for told in report.unreadable] == [True]
    assert server.catalog.find() == [backup]


def test_broken_catalog_file_is_rebuilt(server, archived, root):
    backup = archived()
    (root / "state" / "catalog" / "alice" / "web1" / "nightly.json").write_text("{broken")

    server.catalog.rebuild()

    assert server.catalog.find() == [backup]


def test_backup_is_found_by_the_beginning_of_its_id(server, archived, clock):
    first = archived()
    clock.advance(60)
    second = archived()

    assert server.catalog.get(second.id[:15]) == second
    for beginning, error in [("2026", "2 backups begin with"), ("", "there is no backup"), ("9", "there is no backup")]:
        with pytest.raises(NotFound, match=error):
            server.catalog.get(beginning)
    with pytest.raises(NotFound):
        server.catalog.get(first.id, user="bob")


def test_backups_are_found_by_series_the_newest_first(server, archived, clock):
    ids = []
    for _ in range(3):
        ids.append(archived().id)
        clock.advance(1)

    assert [backup.id for backup in server.catalog.find("alice", "web1", "nightly")] == ids[::-1]
    assert server.catalog.find(host="web2") == server.catalog.find(user="bob") == []
    assert server.store.catalog_series() == [Series("alice", "web1", "nightly")]
    assert server.catalog.user_bytes("alice") == 3 * len(b"some notes")


def test_volume_is_not_added_twice(server, volume):
    with pytest.raises(AlreadyExists, match="is the volume first already"):
        server.volumes.add(volume, "again", "login:root")


def test_volume_that_moved_is_known_at_its_new_place(server, archived, volume, tmp_path):
    backup = archived()
    volume.rename(tmp_path / "moved")

    server.volumes.add(tmp_path / "moved", "ignored", "login:root")

    assert [known.label for known in server.volumes.all()] == ["first"]
    assert server.catalog.directory(backup).is_relative_to(tmp_path / "moved")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"id": "x", "label": "y", "format": 99}', b'{"id": "x", "label": "\xff"}', DEEP],
)
def test_volume_with_a_damaged_file_is_told_as_damaged_and_the_others_go_on(
    server, archived, volume, tmp_path, caplog, content
):
    backup = archived()
    server.volumes.add(tmp_path / "second", "second", "login:root")
    (volume / "volume.json").write_bytes(content)

    assert [present.label for present in server.volumes.present()] == ["second"]
    assert server.volumes.choose().label == "second"
    assert f"the volume first cannot be used: {volume / 'volume.json'}" in caplog.text
    with pytest.raises(IntegrityFailed, match=r"volume\.json (cannot be read|has format 99)"):
        server.catalog.directory(backup)
    with pytest.raises(IntegrityFailed):
        server.volumes.add(volume, "again", "login:root")


def test_volume_whose_disk_fails_is_not_taken_for_one_that_is_not_mounted(server, archived, failing, caplog):
    backup = archived()

    with (
        failing(presence, "read_regular"),
        pytest.raises(ThaniyaError, match="cannot use the volume first: Input/output"),
    ):
        server.catalog.directory(backup)
    with failing(presence, "read_regular"):
        assert server.volumes.present() == []
    assert "the volume first cannot be used: [Errno 5] Input/output error" in caplog.text


def test_volume_that_may_not_be_read_is_not_taken_for_one_that_is_not_mounted(server, archived, monkeypatch):
    backup = archived()

    def fails(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(presence, "read_regular", fails)
    with pytest.raises(NotAllowed, match="cannot use the volume first: Permission denied"):
        server.catalog.directory(backup)


@pytest.mark.parametrize("name", [".removing", ".incoming", ".testing"])
def test_nothing_is_cleaned_through_a_link_on_a_volume(server, archived, volume, tmp_path, name):
    backup = archived()
    elsewhere = tmp_path / "elsewhere" / "thaniya-trial-x"
    elsewhere.mkdir(parents=True)
    shutil.rmtree(volume / name, ignore_errors=True)
    (volume / name).symlink_to(elsewhere.parent)

    server.volumes.clean_leftovers()

    assert elsewhere.is_dir()
    assert server.volumes.present() == []
    with pytest.raises(IntegrityFailed, match="is a link"):
        server.catalog.directory(backup)


def test_leftovers_of_interrupted_work_are_cleaned(server, archived, volume):
    backup = archived()
    for place in (".incoming", ".removing"):
        (volume / place / "20200101T000000Z-000000").mkdir(parents=True, exist_ok=True)
        (volume / place / "20200101T000000Z-000000" / "file").touch()

    server.recover()

    assert list(volume.glob(".*/*")) == []
    assert server.catalog.directory(backup).is_dir()
