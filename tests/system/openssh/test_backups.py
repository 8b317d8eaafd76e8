"""Whole backups into a real server: by the client library, by OpenSSH's programs, by the example script."""

from __future__ import annotations

import hashlib
import time

import pytest

from thaniya_client import Directory, ThaniyaServer


@pytest.fixture
def source(tmp_path, make_file):
    """A small directory."""
    directory = tmp_path / "source"
    (directory / "sub").mkdir(parents=True)
    make_file("data.bin").rename(directory / "data.bin")
    (directory / "sub" / "notes.txt").write_text("notes\n")
    return directory


@pytest.fixture
def client(server, tmp_path):
    with ThaniyaServer(
        "127.0.0.1", port=server.port, key=server.keys / "alice", known_hosts=server.work / "known_hosts"
    ) as client:
        yield client


def sums(file):
    return f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"


def test_backup_by_the_library_is_archived_and_restores_byte_for_byte(server, client, source, tmp_path):
    begin = time.monotonic()
    report = client.backup(Directory(source), name="nightly")
    print(f"a backup of 10 KB took {time.monotonic() - begin:.2f} s")
    assert (server.archived(report.id) / "SHA256SUMS").is_file()
    client.restore(report.id, into=tmp_path / "restored")
    for name in ("data.bin", "sub/notes.txt"):
        assert (tmp_path / "restored" / name).read_bytes() == (source / name).read_bytes()
