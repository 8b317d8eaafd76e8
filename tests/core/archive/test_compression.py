"""The archive compresses by rule; what is restored is what was uploaded, whichever way."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_client.local_directory import LocalDirectory
from thaniya_core.archive import bringing
from thaniya_core.errors import NotFound
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.contents import ContentsEntry, encode_entry
from thaniya_core.formats.manifest import BackupFile, FileKind, Manifest, decode_document, encode_document
from thaniya_core.formats.names import DOCUMENT_FILES
from thaniya_core.model import UploadState
from thaniya_core.system.run import run

SQL = b"insert into t values (1, 'one');\n" * 5000
NOISE = os.urandom(50_000)
RULES = """
[compression]
"plain*" = "none"
"*.sql" = "xz"
"*.csv" = { format = "bzip2", level = 9 }
"*" = { format = "gzip", threads = 2 }
"""


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _found(target: Path) -> dict[str, bytes]:
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


@pytest.fixture
def root(root: Path) -> Path:
    file = root / "thaniya.toml"
    file.write_text(file.read_text() + RULES)
    return root


@pytest.fixture
def files(make_tar):
    """By keyword: what is uploaded."""
    return {
        "dump__sql": SQL,
        "table__csv": SQL,
        "home__tar": make_tar("w", etc_passwd=b"root\n" * 5000, notes=b"notes"),
        "etc__tar__gz": make_tar(hosts=b"hosts"),
        "noise": NOISE,
        "letter__txt__gz": b"no gzip at all, whatever it is called",
        "plain__txt": SQL,
    }


@pytest.fixture
def backup(archived, files):
    return archived(**files)


RESTORED_FILES = {
    "dump.sql": SQL,
    "table.csv": SQL,
    "noise": NOISE,
    "letter.txt.gz": b"no gzip at all, whatever it is called",
    "plain.txt": SQL,
}
RESTORED = RESTORED_FILES | {"home/etc_passwd": b"root\n" * 5000, "home/notes": b"notes", "etc/hosts": b"hosts"}


def test_files_lie_compressed_by_their_rules(server, backup, files):
    directory = server.catalog.directory(backup)

    names = sorted(path.name for path in directory.iterdir())
    assert {*names} == DOCUMENT_FILES | {
        "dump.sql.xz",
        "etc.tar.gz",
        "home.tar.gz",
        "letter.txt.gz",
        "noise",
        "plain.txt",
        "table.csv.bz2",
    }
    for name, program in [("dump.sql.xz", "xz"), ("table.csv.bz2", "bzip2"), ("home.tar.gz", "gzip")]:
        plain = run([program, "-dc", str(directory / name)], timeout_s=30).stdout
        assert plain == files[name.rpartition(".")[0].replace(".", "__")]
    run(["sha256sum", "-c", "SHA256SUMS"], cwd=directory, timeout_s=30)
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o440}


def test_document_knows_both_forms(server, backup):
    stored = {file.name: file for file in backup.document.files}

    file = stored["dump.sql.xz"]
    data = (server.catalog.directory(backup) / "dump.sql.xz").read_bytes()
    assert file == BackupFile(
        "dump.sql.xz",
        _sum(data),
        len(data),
        compression=Compression.XZ,
        original_bytes=len(SQL),
        uploaded_name="dump.sql",
        uploaded_sha256=_sum(SQL),
        uploaded_bytes=len(SQL),
    )
    assert (stored["home.tar.gz"].kind, stored["home.tar.gz"].uploaded_name) == (FileKind.TAR, "home.tar")
    assert stored["noise"] == BackupFile("noise", _sum(NOISE), len(NOISE))
    document = backup.document
    assert document.stored_bytes == sum(file.size_bytes for file in document.files) < document.original_bytes
    assert decode_document(encode_document(document), "x") == document


def test_compressed_backup_is_verified(server, backup):
    assert server.backups.verify(backup, "login:test").broken == ""


def test_server_restores_what_was_uploaded(server, backup, tmp_path):
    server.backups.restore(backup, tmp_path / "target", (), False, "login:test")

    assert _found(tmp_path / "target") == RESTORED


def test_shell_restores_what_was_uploaded(server, backup, tmp_path):
    run(["sh", str(server.catalog.directory(backup) / "RESTORE.txt"), str(tmp_path / "target")], timeout_s=60)

    assert _found(tmp_path / "target") == RESTORED


def test_client_restores_what_was_uploaded(backup, volume, tmp_path):
    with LocalDirectory(volume, user="alice") as target:
        target.restore(backup.id, into=tmp_path / "target")

    assert _found(tmp_path / "target") == RESTORED


@pytest.mark.parametrize("way", ["server", "client"])
def test_one_file_is_restored_by_the_name_it_was_uploaded_under(server, backup, volume, tmp_path, way):
    into = tmp_path / "target"
    if way == "server":
        server.backups.restore(backup, into, ["dump.sql", "home/notes"], False, "login:test")
    else:
        with LocalDirectory(volume, user="alice") as target:
            target.restore(backup.id, into=into, paths=["dump.sql", "home/notes"])

    assert _found(into) == {"dump.sql": SQL, "home/notes": b"notes"}


def test_name_of_the_stored_form_is_no_path_of_the_backup(server, backup, tmp_path):
    with pytest.raises(NotFound):
        server.backups.restore(backup, tmp_path / "target", ["dump.sql.xz"], False, "login:test")


def test_restored_file_has_the_time_of_the_uploaded_one(server, open_upload, put_file, run_jobs, tmp_path):
    upload = open_upload()
    os.utime(put_file(upload, "dump.sql", SQL), (1_000_000_000, 1_000_000_000))
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()
    run_jobs()
    backup = server.catalog.get(upload.id)

    server.backups.restore(backup, tmp_path / "restored", (), False, "login:test")
    run(["sh", str(server.catalog.directory(backup) / "RESTORE.txt"), str(tmp_path / "shell")], timeout_s=60)

    for way in ("restored", "shell"):
        assert (tmp_path / way / "dump.sql").stat().st_mtime == 1_000_000_000


def test_fetching_gives_the_stored_or_the_uploaded_form_by_its_name(server, backup, volume, tmp_path):
    with LocalDirectory(volume, user="alice") as target, (tmp_path / "a").open("w+b") as stored:
        target.fetch(backup.id, "dump.sql.xz", stored)
        with (tmp_path / "b").open("w+b") as uploaded:
            assert target.fetch(backup.id, "dump.sql", uploaded) == len(SQL)

    assert (tmp_path / "b").read_bytes() == SQL
    assert _sum((tmp_path / "a").read_bytes()) in {file.sha256 for file in backup.document.files}
    with pytest.raises(NotFound, match=r"stored compressed, as dump\.sql\.xz"):
        server.backups.open_file(backup, "dump.sql")


def test_contents_list_follows_its_archive(server, archived, make_tar, manifest_of):
    tar = make_tar("w", notes=b"n" * 5000)
    entry = ContentsEntry("-rw-r--r--", "0/0", 5000, "1970-01-01T00:00:00Z", b"./notes")
    files = {"home__tar": tar, "home__files": encode_entry(entry)}
    told, listed = manifest_of(**files).files
    manifest = Manifest(
        (
            replace(told, kind=FileKind.TAR, original_bytes=len(tar)),
            replace(listed, kind=FileKind.CONTENTS, describes="home.tar"),
        )
    )

    backup = archived(manifest, **files)

    assert [(file.name, file.describes) for file in backup.document.files] == [
        ("home.files", "home.tar.gz"),
        ("home.tar.gz", None),
    ]
    assert [inside.entry for inside in server.backups.inside(backup)] == [entry]
    assert server.backups.verify(backup, "login:test").broken == ""


def test_both_forms_uploaded_stay_as_they_are(archived, server, tmp_path):
    backup = archived(dump__sql=SQL, dump__sql__xz=b"another file")

    assert [file.name for file in backup.document.files] == ["dump.sql", "dump.sql.xz"]
    server.backups.restore(backup, tmp_path / "target", (), False, "login:test")
    assert _found(tmp_path / "target") == {"dump.sql": SQL, "dump.sql.xz": b"another file"}


def test_what_was_not_as_promised_is_rejected_before_it_counts(server, spooled, run_jobs, manifest_of, volume):
    upload = spooled(manifest_of(dump__sql=SQL + b"?"), dump__sql=SQL)

    run_jobs()

    assert server.uploads.get(upload.id).state is UploadState.REJECTED
    assert list(volume.glob(".incoming/*")) == list(volume.glob("archive/*/*/*/*")) == []


def test_word_of_the_client_on_what_the_archive_does_counts_nothing(archived, manifest_of, tmp_path, server):
    (told,) = manifest_of(dump__gz=SQL).files
    lie = replace(
        told,
        compression=Compression.GZIP,
        uploaded_name="dump",
        uploaded_sha256="0" * 64,
        shared_with="20260101T000000Z-000000",
    )

    backup = archived(Manifest((lie,)), dump__gz=SQL)

    (file,) = backup.document.files
    assert (file.uploaded_name, file.uploaded_sha256, file.shared_with, backup.document.shared_bytes) == (
        None,
        None,
        None,
        0,
    )
    server.backups.restore(backup, tmp_path / "target", (), False, "login:test")
    assert _found(tmp_path / "target") == {"dump.gz": SQL}


def test_compressor_that_makes_something_else_of_it_is_found(server, spooled, run_jobs, clock, monkeypatch):
    upload = spooled(dump__sql=SQL)
    real = bringing.open_file_writer

    class Faulty:
        def __init__(self, *arguments: object) -> None:
            self.writer = real(*arguments)

        def write(self, data: bytes) -> int:
            return self.writer.write(data[:100] + b"?" + data[101:])

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None:
            self.writer.close()

    with monkeypatch.context() as patch:
        patch.setattr(bringing, "open_file_writer", Faulty)
        run_jobs()
    waiting = server.uploads.get(upload.id)
    clock.advance(5)
    run_jobs()

    assert "cannot be read back: it is another" in waiting.reason
    assert server.uploads.get(upload.id).state is UploadState.ARCHIVED


def test_file_that_becomes_no_smaller_stays_and_is_given_up_early(archived, server):
    noise = os.urandom(5_000_000)

    backup = archived(noise__sql=noise)

    assert backup.document.files == (BackupFile("noise.sql", _sum(noise), len(noise)),)
    assert sorted(path.name for path in server.catalog.directory(backup).iterdir())[-1] == "noise.sql"


def test_file_that_does_not_fit_compressed_beside_its_upload_stays(archived, monkeypatch):
    monkeypatch.setattr(bringing, "free_bytes", lambda _: bringing.MARGIN_BYTES)

    assert archived(dump__sql=SQL).document.files == (BackupFile("dump.sql", _sum(SQL), len(SQL)),)


def test_compressing_has_the_lowest_priority_and_the_worker_keeps_its_own(archived, monkeypatch):
    niceness: list[tuple[int, int]] = []
    real = bringing.open_file_writer

    def looks(*arguments: object):
        writer = real(*arguments)
        own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        niceness.append((own, os.getpriority(os.PRIO_PROCESS, writer.process.pid)))
        return writer

    monkeypatch.setattr(bringing, "open_file_writer", looks)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    archived(dump__sql=SQL)

    assert niceness == [(19, 19)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_compressed_backup_on_another_file_system(server, spooled, run_jobs, root, small_disk, tmp_path, monkeypatch):
    monkeypatch.setattr(bringing, "MARGIN_BYTES", 0)
    disk = small_disk(root / "small", "8m")
    (root / "volume" / "volume.json").unlink()
    server.volumes.add(disk, "small", "login:root")
    upload = spooled(dump__sql=SQL, noise=NOISE)

    run_jobs()

    backup = server.catalog.get(upload.id)
    assert [file.name for file in backup.document.files] == ["dump.sql.xz", "noise"]
    assert server.backups.verify(backup, "login:root").broken == ""
    server.backups.restore(backup, tmp_path / "target", (), False, "login:test")
    assert _found(tmp_path / "target") == {"dump.sql": SQL, "noise": NOISE}


ARCHIVE_IN_LITTLE_MEMORY = r"""
import re, sys
from pathlib import Path
from thaniya_core.server import open_server
server = open_server(Path(sys.argv[1]))
while server.worker.run_due():
    server.worker.drain()
print(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("rule", ['{ format = "xz", level = 9, threads = 2 }', '"gzip"', '"bzip2"'])
def test_memory_of_the_service_does_not_grow_with_level_or_size(server, spooled, root, rule):
    file = root / "thaniya.toml"
    file.write_text(file.read_text().replace('"*.sql" = "xz"', f'"*.sql" = {rule}'))
    noise = os.urandom(3_000_000)
    spooled(dump__sql=b"".join(noise[start:] + bytes(1_000_000) for start in range(12)))

    done = run([sys.executable, "-c", ARCHIVE_IN_LITTLE_MEMORY, str(file)], timeout_s=300)

    assert int(done.stdout) < 100 * 1024
    (backup,) = server.catalog.find()
    assert backup.document.files[0].uploaded_name == "dump.sql"
