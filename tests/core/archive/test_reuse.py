"""Whole files that an earlier backup of the series has already become hard links."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.archive import reuse
from thaniya_core.model import Backup
from thaniya_core.retention import parse_policy
from thaniya_core.system.run import run

SAME = b"the same in every backup\n" * 100


def _inode(server, backup: Backup, name: str = "photos.bin") -> tuple[int, int]:
    status = (server.catalog.directory(backup) / name).stat()
    return status.st_dev, status.st_ino


def _shared(backup: Backup) -> dict[str, str | None]:
    return {file.name: file.shared_with for file in backup.document.files}


@pytest.fixture
def compressing(root: Path) -> None:
    file = root / "thaniya.toml"
    file.write_text(file.read_text() + '\n[compression]\n"*" = "xz"\n')


def test_same_file_is_one_on_the_disk_and_both_backups_say_so(server, archived):
    first = archived(photos__bin=SAME, notes__txt=b"monday")
    second = archived(photos__bin=SAME, notes__txt=b"tuesday, longer")

    assert _inode(server, first) == _inode(server, second)
    assert _shared(first) == {"notes.txt": None, "photos.bin": None}
    assert _shared(second) == {"notes.txt": None, "photos.bin": first.id}
    assert (first.document.shared_bytes, second.document.shared_bytes) == (0, len(SAME))
    assert second.document.stored_bytes == len(SAME) + len(b"tuesday, longer")
    assert (server.catalog.directory(second) / "photos.bin").stat().st_mode & 0o777 == 0o440


def test_renamed_file_is_shared_too(server, archived):
    first = archived(photos__bin=SAME)
    second = archived(pictures__bin=SAME)

    assert _inode(server, first) == _inode(server, second, "pictures.bin")


def test_file_of_the_same_size_but_other_bytes_is_not_shared(server, archived):
    first, second = archived(photos__bin=SAME), archived(photos__bin=SAME[:-1] + b"!")

    assert _inode(server, first) != _inode(server, second)
    assert second.document.shared_bytes == 0


def test_other_series_share_nothing(server, open_upload, put_file, run_jobs, archived):
    first = archived(photos__bin=SAME)
    upload = open_upload(name="weekly")
    put_file(upload, "photos.bin", SAME)
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()
    run_jobs()

    assert _inode(server, first) != _inode(server, server.catalog.get(upload.id))


@pytest.mark.parametrize("removed", ["first", "second", "first by the policy"])
def test_each_stays_whole_when_the_other_is_removed(server, archived, tmp_path, removed, clock):
    first = archived(photos__bin=SAME)
    clock.advance(86400)
    second = archived(photos__bin=SAME)
    if removed == "first by the policy":
        server.retention_settings.set("default", parse_policy("keep-last=1"), "login:test")
        server.retention.apply(first.series, "login:test")
    else:
        server.backups.remove(first if removed == "first" else second, "login:test")

    (left,) = server.catalog.find()
    assert left.id == (first.id if removed == "second" else second.id)
    assert server.backups.verify(left, "login:test").broken == ""
    directory = server.catalog.directory(left)
    run(["sh", str(directory / "RESTORE.txt"), str(tmp_path / "restored")], timeout_s=60)
    assert (tmp_path / "restored" / "photos.bin").read_bytes() == SAME
    assert (directory / "photos.bin").stat().st_nlink == 1


def test_damaged_earlier_file_is_not_shared_but_marked_and_told(server, archived, tmp_path):
    first = archived(photos__bin=SAME)
    file = server.catalog.directory(first) / "photos.bin"
    file.chmod(0o640)
    file.write_bytes(b"?" + SAME[1:])

    second = archived(photos__bin=SAME)

    assert _shared(second) == {"photos.bin": None}
    assert server.backups.verify(second, "login:test").broken == ""
    assert "photos.bin has another SHA-256" in server.catalog.get(first.id).broken
    events = [event for event in server.store.read_events() if event.action == "backup.verify"]
    assert [(event.subject.endswith(first.id), event.ok) for event in events[:1]] == [(True, False)]


def test_third_backup_shares_with_a_good_one_when_the_newest_is_damaged(server, archived, monkeypatch):
    first = archived(photos__bin=SAME)
    with monkeypatch.context() as patch:
        patch.setattr(reuse, "link_file", lambda *_: False)
        second = archived(photos__bin=SAME)
    file = server.catalog.directory(second) / "photos.bin"
    file.chmod(0o640)
    file.write_bytes(b"?" + SAME[1:])

    third = archived(photos__bin=SAME)

    assert _shared(third) == {"photos.bin": first.id}
    assert _inode(server, third) == _inode(server, first)


@pytest.mark.parametrize("why", ["limit of links", "unreadable", "gone"])
def test_file_that_cannot_be_linked_is_stored_again(server, archived, monkeypatch, why):
    first = archived(photos__bin=SAME)
    if why == "limit of links":
        monkeypatch.setattr(reuse, "link_file", lambda *_: False)
    elif why == "gone":
        (server.catalog.directory(first) / "photos.bin").unlink()
    else:

        def fails(*_: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(reuse, "hash_file", fails)

    second = archived(photos__bin=SAME)

    assert _shared(second) == {"photos.bin": None}
    assert (server.catalog.directory(second) / "photos.bin").read_bytes() == SAME


def test_broken_backups_are_not_shared_with(server, archived):
    first = archived(photos__bin=SAME)
    server.backups.note_damage(first, "a bad disk")

    assert _shared(archived(photos__bin=SAME)) == {"photos.bin": None}


def test_backup_on_another_volume_shares_nothing(server, archived, root):
    first = archived(photos__bin=SAME)
    server.volumes.add(root / "other", "other", "login:test")
    with server.store.transaction() as state:
        for volume in state.volumes.all():
            state.volumes.put(replace(volume, active=volume.label == "other"))

    second = archived(photos__bin=SAME)

    assert second.volume != first.volume
    assert _shared(second) == {"photos.bin": None}


def test_file_that_a_rule_compressed_is_shared_without_compressing_it_again(compressing, server, archived, monkeypatch):
    first = archived(photos__bin=SAME)
    monkeypatch.setattr("thaniya_core.archive.bringing.open_file_writer", None)

    second = archived(photos__bin=SAME)

    assert _shared(second) == {"photos.bin.xz": first.id}
    assert _inode(server, first, "photos.bin.xz") == _inode(server, second, "photos.bin.xz")
    assert server.backups.verify(second, "login:test").broken == ""


def test_plain_file_of_an_earlier_time_is_shared_although_a_rule_would_compress_it(
    root, server, archived, reopen, spooled, run_jobs
):
    first = archived(photos__bin=SAME)
    file = root / "thaniya.toml"
    file.write_text(file.read_text() + '\n[compression]\n"*" = "xz"\n')
    upload = spooled(photos__bin=SAME)
    restarted = reopen()

    run_jobs(restarted)

    assert _shared(restarted.catalog.get(upload.id)) == {"photos.bin": first.id}


def test_name_clash_keeps_the_compressed_form_of_an_earlier_backup_out(compressing, server, archived):
    archived(photos__bin=SAME)

    second = archived(photos__bin=SAME, photos__bin__xz=b"a file of that name")

    assert _shared(second) == {"photos.bin": None, "photos.bin.xz": None}


def test_upload_that_is_not_as_promised_is_rejected_even_where_an_earlier_file_is(
    server, archived, spooled, run_jobs, manifest_of
):
    archived(photos__bin=SAME)
    upload = spooled(manifest_of(photos__bin=b"something else"), photos__bin=SAME)

    run_jobs()

    assert server.uploads.get(upload.id).state == "rejected"


def test_shared_file_counts_for_the_quota_of_each(server, archived):
    archived(photos__bin=SAME)
    archived(photos__bin=SAME)

    assert server.catalog.user_bytes("alice") == 2 * len(SAME)


def test_empty_files_are_not_shared(server, archived):
    archived(empty=b"")

    assert _shared(archived(empty=b"")) == {"empty": None}


def test_damage_to_a_shared_file_is_found_in_every_backup_that_has_it(server, archived):
    first, second = archived(photos__bin=SAME), archived(photos__bin=SAME)
    file = server.catalog.directory(first) / "photos.bin"
    file.chmod(0o640)
    with file.open("r+b") as stream:
        stream.write(b"?")

    assert [bool(server.backups.verify(each, "login:test").broken) for each in (first, second)] == [True, True]


def test_copied_upload_shares_without_being_copied(
    server, spooled, run_jobs, root, small_disk, monkeypatch: pytest.MonkeyPatch
):
    disk = small_disk(root / "small", "12m")
    (root / "volume" / "volume.json").unlink()
    server.volumes.add(disk, "small", "login:root")
    made = []
    for _ in range(2):
        made.append(spooled(photos__bin=SAME * 100).id)
        run_jobs()

    first, second = (server.catalog.get(each) for each in made)
    assert _inode(server, first) == _inode(server, second)


def test_new_backups_look_at_few_earlier_ones(clock, archived: Callable[..., Backup], monkeypatch):
    monkeypatch.setattr("thaniya_core.archive.ingest.BACKUPS_LOOKED_AT", 2)
    archived(photos__bin=SAME)
    for number in range(2):
        clock.advance(60)
        archived(notes__txt=os.urandom(10 + number))

    assert _shared(archived(photos__bin=SAME)) == {"photos.bin": None}
