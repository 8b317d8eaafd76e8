"""Whole backups into a real server: by the client library, by OpenSSH's programs, by the example script."""

from __future__ import annotations

import hashlib

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
def client(server):
    known_hosts = server.work / "known_hosts"
    with ThaniyaServer("127.0.0.1", port=server.port, key=server.keys / "alice", known_hosts=known_hosts) as client:
        yield client


def sums(file):
    return f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"


def assert_same(restored, source):
    for name in ("data.bin", "sub/notes.txt"):
        assert (restored / name).read_bytes() == (source / name).read_bytes()


def test_backup_by_the_library_is_archived_and_restores_byte_for_byte(server, client, source, tmp_path):
    report = client.backup(Directory(source), name="nightly")
    directory = server.archived(report.id)
    assert (directory / "SHA256SUMS").is_file()
    assert {path.stat().st_uid for path in [directory, *directory.iterdir()]} == {server.service_uid()}
    client.restore(report.id, into=tmp_path / "restored")
    assert_same(tmp_path / "restored", source)


def test_library_makes_one_backup_after_another_in_taking_turns(server, client, source):
    reports = [client.backup(Directory(source), name="turns") for _ in range(server.slots + 1)]
    assert len({server.archived(report.id) for report in reports}) == server.slots + 1
    assert set(server.slot_states().values()) <= {"ready", "closing"}


@pytest.mark.parametrize("put", ["scp", "sftp"])
def test_file_put_by_openssh_is_archived_and_fetched(server, make_file, put):
    file = make_file("home.tar.gz", 300_000)
    upload, slot = server.allocate(name=put)
    if put == "scp":
        done = server.scp("alice", file, slot)
    else:
        done = server.sftp("alice", slot, f"put {file} upload/.part-1\nrename upload/.part-1 upload/home.tar.gz\n")
    assert done.returncode == 0, done.stderr
    assert server.upload_directory(slot).joinpath(file.name).stat().st_mode & 0o777 == 0o640
    done = server.ssh("alice", "complete", upload, "--sums", stdin=sums(file))
    assert (done.returncode, done.stdout) == (0, "state=archived\n"), done.stderr
    assert (server.archived(upload) / "home.tar.gz").read_bytes() == file.read_bytes()
    fetched = server.ssh("alice", "fetch", upload, "SHA256SUMS")
    assert sums(file) in fetched.stdout


def test_example_scripts_back_up_and_restore(server, source, tmp_path):
    done = server.script("alice", "backup.sh", str(source), "scripted")
    assert done.returncode == 0, done.stderr
    upload = done.stdout.strip()
    assert server.archived(upload).is_dir()
    done = server.script("alice", "restore.sh", upload, str(tmp_path / "restored"))
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "restored", source)


def test_root_restores_at_the_server_into_a_place_of_its_own(server, client, source):
    report = client.backup(Directory(source), name="nightly")
    server.machine.path("/run/own").mkdir(mode=0o700, exist_ok=True)
    target = f"/run/own/{report.id}"
    server.thaniya("backup", "restore", report.id, target)
    assert_same(server.machine.path(target), source)
    assert server.machine.path(target).joinpath("data.bin").stat().st_uid == source.joinpath("data.bin").stat().st_uid
    assert server.events("backup.restore")[-1]["actor"] == "login:root"


def test_same_file_again_is_shared_and_both_stand_the_trial(server, client, source, make_file):
    file = make_file("dump.bin", 300_000)
    made = []
    for _ in range(2):
        upload, slot = server.allocate(name="shared")
        assert server.scp("alice", file, slot).returncode == 0
        done = server.ssh("alice", "complete", upload, "--sums", stdin=sums(file))
        assert (done.returncode, done.stdout) == (0, "state=archived\n"), done.stderr
        made.append(upload)
    first, second = (server.archived(upload) / file.name for upload in made)
    assert first.stat().st_ino == second.stat().st_ino
    made.append(client.backup(Directory(source), name="tree").id)
    done = server.thaniya("backup", "verify", *made, "--test-restore")
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == ["good"] * 3
