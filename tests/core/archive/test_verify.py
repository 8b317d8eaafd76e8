"""Verification finds each kind of damage."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest

from thaniya_core.archive.contents import read_contents
from thaniya_core.archive.reading import killing_signal
from thaniya_core.archive.trial import try_restore
from thaniya_core.errors import CommandFailed, IntegrityFailed, NotFound
from thaniya_core.formats.compression import Compression, open_writer
from thaniya_core.formats.contents import ContentsEntry, encode_entry
from thaniya_core.formats.documents import encode_sums
from thaniya_core.formats.manifest import BackupFile, FileKind, Manifest
from thaniya_core.formats.names import DOCUMENT_FILES


@pytest.fixture
def backup(archived, make_tar):
    return archived(home__tar__gz=make_tar(noise=os.urandom(10_000)), notes__txt=b"some notes")


@pytest.fixture
def directory(server, backup) -> Path:
    place = server.catalog.directory(backup)
    for file in place.iterdir():
        file.chmod(0o640)
    return place


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


DAMAGE = {
    "flipped": (lambda place: _flip(place / "home.tar.gz"), "home.tar.gz has another SHA-256"),
    "truncated": (lambda place: os.truncate(place / "home.tar.gz", 9_999), "has 9999 bytes instead of 1"),
    "grown": (lambda place: os.truncate(place / "home.tar.gz", 20_001), "has 20001 bytes instead of 1"),
    "missing": (lambda place: (place / "notes.txt").unlink(), "notes.txt cannot be read: No such file"),
    "extra": (lambda place: (place / "extra").touch(), "extra does not belong here"),
    "a link": (
        lambda place: (place / "notes.txt").rename(place / "moved") and (place / "notes.txt").symlink_to("moved"),
        "notes.txt cannot be read",
    ),
    "restore edited": (
        lambda place: (place / "RESTORE.txt").write_text("rm -rf /"),
        "SHA256SUMS does not fit to backup.json, RESTORE.txt and the files",
    ),
    "sums edited": (lambda place: _flip(place / "SHA256SUMS"), "SHA256SUMS does not fit"),
    "sums missing": (lambda place: (place / "SHA256SUMS").unlink(), "SHA256SUMS cannot be read"),
    "sums of the files alone": (
        lambda place: (place / "SHA256SUMS").write_bytes(
            b"".join((place / "SHA256SUMS").read_bytes().splitlines(keepends=True)[2:])
        ),
        "SHA256SUMS does not fit",
    ),
    "restore missing": (lambda place: (place / "RESTORE.txt").unlink(), "RESTORE.txt cannot be read"),
    "document edited": (
        lambda place: (place / "backup.json").write_bytes(
            (place / "backup.json").read_bytes().replace(b"web1", b"web2")
        ),
        "backup.json is not what the catalog knows",
    ),
    "document broken": (lambda place: (place / "backup.json").write_text("{"), "backup.json cannot be read"),
}


def test_backup_that_is_whole_is_verified(server, backup, directory, clock):
    read: list[int] = []

    verified = server.backups.verify(backup, "login:root", read.append)

    assert (verified.broken, verified.verified_at) == ("", clock.now())
    assert sum(read) == backup.document.stored_bytes
    assert server.catalog.get(backup.id) == verified


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_kept_and_told(server, backup, directory, kind):
    damage, told = DAMAGE[kind]
    damage(directory)

    broken = server.backups.verify(backup, "login:root").broken

    assert told in broken
    assert server.catalog.get(backup.id).broken == broken
    event = list(server.store.read_events())[-1]
    assert (event.action, event.ok, event.detail) == ("backup.verify", False, broken)


@pytest.mark.parametrize("killed", ["tar", "gzip"])
def test_program_that_is_killed_says_nothing_about_the_backup(server, backup, tmp_path, monkeypatch, killed):
    stand_in = tmp_path / "bin" / killed
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\nkill -TERM $$\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(stand_in.parent), prepend=os.pathsep)

    with pytest.raises(CommandFailed, match=f"home.tar.gz of {backup.id} was ended by SIG(TERM|PIPE)"):
        server.backups.verify(backup, "login:root")
    assert server.catalog.get(backup.id) == backup
    trial = server.backups.trial_place(backup)
    with pytest.raises(CommandFailed):
        try_restore(server.backups.chain(backup), trial, 0)


@pytest.mark.parametrize(
    ("exit_code", "messages", "signal"),
    [
        (-15, [], "SIGTERM"),
        (-11, [], ""),
        (2, ["tar: Child died with signal 9", "tar: Error is not recoverable: exiting now"], "SIGKILL"),
        (2, ["tar: Child died with signal 13", "tar: Error is not recoverable: exiting now"], "SIGPIPE"),
        (2, ["gzip: stdin: invalid compressed data--crc error", "tar: Child died with signal 13"], ""),
        (2, ["tar: This does not look like a tar archive"], ""),
    ],
)
def test_program_that_was_ended_is_told_from_one_that_finds_damage(exit_code, messages, signal):
    assert killing_signal(exit_code, messages) == signal


def test_backup_with_another_text_of_how_to_restore_is_good_when_its_sums_fit(server, backup, directory):
    sums = dict(reversed(line.split("  ")) for line in (directory / "SHA256SUMS").read_text().splitlines())
    other = b"# as an earlier Thaniya wrote it\ntar -xzf ./home.tar.gz -C $1; cp ./notes.txt $1\n"
    (directory / "RESTORE.txt").write_bytes(other)
    (directory / "SHA256SUMS").write_bytes(encode_sums(sums | {"RESTORE.txt": hashlib.sha256(other).hexdigest()}))

    assert server.backups.verify(backup, "login:root").broken == ""


def test_mended_backup_is_good_again(server, backup, directory):
    (directory / "extra").touch()
    broken = server.backups.verify(backup, "login:root")
    (directory / "extra").unlink()

    assert server.backups.verify(broken, "login:root").broken == ""


def test_any_flipped_bit_of_any_file_is_found(server, backup, directory):
    for file in sorted(directory.iterdir()):
        whole = file.read_bytes()
        _flip(file)
        assert server.backups.verify(backup, "login:root").broken != "", file.name
        file.write_bytes(bytes([*whole[:-6], whole[-6] ^ 0x80, *whole[-5:]]))  # no UTF-8 any more
        assert server.backups.verify(backup, "login:root").broken != "", file.name
        file.write_bytes(whole)

    assert server.backups.verify(backup, "login:root").broken == ""


def test_stored_files_are_opened_by_their_names_only(server, backup):
    for name in ["notes.txt", *DOCUMENT_FILES]:
        with server.backups.open_file(backup, name) as stream:
            assert stream.read()
    for name in ["../volume.json", "other", "", ".", "\n"]:
        with pytest.raises(NotFound):
            server.backups.open_file(backup, name)


ENTRY = ContentsEntry("-rw-r--r--", "0/0", 4, "2026-11-22T21:15:00Z", b"./odd\nname")


LIST_COMPRESSIONS = [compression for compression in Compression if compression is not Compression.XZ]


def _packed(compression: Compression) -> bytes:
    target = io.BytesIO()
    with open_writer(target, compression) as stream:
        stream.write(encode_entry(ENTRY) * 1000)
    return target.getvalue()


@pytest.fixture
def with_contents(archived, manifest_of):
    def make(compression: Compression, data: bytes):
        name = "home.files" + compression.suffix
        plain = manifest_of(**{name.replace(".", "__"): data}).files[0]
        described = BackupFile(name, plain.sha256, len(data), FileKind.CONTENTS, compression, describes="home.tar")
        return archived(Manifest((described,)), **{name.replace(".", "__"): data})

    return make


@pytest.mark.parametrize("compression", LIST_COMPRESSIONS)
def test_contents_of_an_archive_are_listed(server, with_contents, compression):
    backup = with_contents(compression, _packed(compression))

    assert list(read_contents(server.catalog.directory(backup), backup.document.files[0])) == [ENTRY] * 1000


@pytest.mark.parametrize("compression", LIST_COMPRESSIONS)
@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_damaged_contents_list_is_told(server, with_contents, compression, damage):
    whole = _packed(compression)
    backup = with_contents(compression, whole[: len(whole) - 13] if damage == "cut" else b"garbage" * 99)

    with pytest.raises(IntegrityFailed):
        list(read_contents(server.catalog.directory(backup), backup.document.files[0]))
