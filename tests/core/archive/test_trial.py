"""Restoring on trial: compared with what the backup says of itself, and gone afterwards."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import sys
import tarfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.archive import trial
from thaniya_core.archive.scratch import PREFIX, clean_scratch
from thaniya_core.archive.trial import compare_entry
from thaniya_core.errors import Busy, NoSpace
from thaniya_core.formats.contents import ContentsEntry, encode_entry
from thaniya_core.formats.manifest import FileKind, Manifest
from thaniya_core.system.run import Process, run


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def with_list(archived, make_tar, manifest_of):
    """A tar archive and a contents list of the entries given."""

    def make(*entries: ContentsEntry, **members: bytes):
        files = {"home__tar": make_tar("w", **members), "home__files": b"".join(map(encode_entry, entries))}
        tar, listed = manifest_of(**files).files
        described = replace(tar, kind=FileKind.TAR), replace(listed, kind=FileKind.CONTENTS, describes="home.tar")
        return archived(Manifest(described), **files)

    return make


def _entry(mode: str = "-rw-r--r--", size: int = 4, path: bytes = b"./a", target: bytes | None = None):
    return ContentsEntry(mode, "0/0", size, "1970-01-01T00:00:00Z", path, target)


def test_trial_leaves_nothing_and_finds_nothing(server, archived, make_tar, scratch):
    backup = archived(home__tar__gz=make_tar(a=b"data"), dump__sql=b"select")

    verified = server.backups.verify(backup, "login:test", trial=scratch)

    assert verified.broken == ""
    assert list(scratch.glob(f"{PREFIX}*")) == []


def test_trial_is_made_on_the_backups_own_volume(server, archived, volume):
    backup = archived()

    assert server.backups.trial_place(backup) == volume / ".testing"
    assert server.backups.verify(backup, "login:test", trial=server.backups.trial_place(backup)).broken == ""
    assert server.catalog.rebuild().found == 1


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (_entry(), ""),
        (_entry(size=5), "restored with 4 bytes, not 5"),
        (_entry("-rw-------"), "restored with the mode -rw-r--r--, not -rw-------"),
        (_entry("drwxr-xr-x"), "restored as -rw-r--r--, not as drwxr-xr-x"),
        (_entry(path=b"./b"), "./b was not restored"),
        (_entry("hrw-r--r--", 0, target=b"./other"), ""),
        (_entry("lrwxrwxrwx", 0, b"./link", b"a"), ""),
        (_entry("lrwxrwxrwx", 0, b"./link", b"b"), "./link was restored with another target"),
        (_entry("drwxr-xr-x", 0, b"./dir/"), ""),
        (_entry("prw-r--r--", 0), "restored as -rw-r--r--, not as prw-r--r--"),
    ],
)
def test_what_was_restored_is_compared_with_its_line(tmp_path, entry, told):
    (tmp_path / "a").write_bytes(b"data")
    (tmp_path / "a").chmod(0o644)
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "dir").mkdir(mode=0o755)
    (tmp_path / "dir").chmod(0o755)

    found = compare_entry(entry, os.fsencode(tmp_path))

    assert told in found and bool(told) == bool(found)


def test_file_that_tar_lists_but_does_not_restore_so_is_told(server, with_list, scratch, monkeypatch):
    backup = with_list(_entry(), a=b"data")
    real = trial.unpack_backup

    def spoils(chain, target, parts, **options):
        real(chain, target, parts, **options)
        (target / "a").write_bytes(b"dat")

    monkeypatch.setattr(trial, "unpack_backup", spoils)

    assert "./a was restored with 3 bytes" in server.backups.verify(backup, "login:test", trial=scratch).broken


def test_member_that_comes_twice_counts_as_it_came_last(server, archived, manifest_of, scratch, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    archive = tmp_path / "home.tar"
    for text in ("first", "second one"):
        (source / "a").write_text(text)
        (source / "a").chmod(0o644)
        run(["tar", "-C", str(source), "-rf", str(archive), "./a"], timeout_s=30)
    listed = encode_entry(_entry(size=5)) + encode_entry(_entry(size=10))
    files = {"home__tar": archive.read_bytes(), "home__files": listed}
    tar, contents = manifest_of(**files).files
    manifest = Manifest(
        (replace(tar, kind=FileKind.TAR), replace(contents, kind=FileKind.CONTENTS, describes="home.tar"))
    )
    backup = archived(manifest, **files)

    assert server.backups.verify(backup, "login:test", trial=scratch).broken == ""


def test_archive_that_cannot_be_extracted_is_told(server, archived, scratch, make_tar):
    packed = io.BytesIO()
    with tarfile.open(mode="w", fileobj=packed) as tar:
        member = tarfile.TarInfo("./hard")
        member.type, member.linkname = tarfile.LNKTYPE, "./nothing"
        tar.addfile(member)
    backup = archived(home__tar=packed.getvalue())

    broken = server.backups.verify(backup, "login:test", trial=scratch).broken

    assert "it cannot be restored: tar could not restore home.tar" in broken
    assert list(scratch.glob(f"{PREFIX}*")) == []


def test_trial_that_does_not_fit_says_nothing_of_the_backup(server, archived, make_tar, scratch, small_disk):
    backup = archived(home__tar__gz=make_tar(zeros=b"\0" * 5_000_000))
    small_disk(scratch, "66m")

    with pytest.raises(NoSpace, match="to restore") as caught:
        server.backups.verify(backup, "login:test", trial=scratch)

    assert "--scratch" in caught.value.hint
    assert (server.catalog.get(backup.id).broken, server.catalog.get(backup.id).verified_at) == ("", None)


def test_disk_that_fills_during_the_trial_says_nothing_of_the_backup(
    server, archived, make_tar, scratch, small_disk, monkeypatch
):
    backup = archived(home__tar__gz=make_tar(zeros=b"\1" * 5_000_000))
    small_disk(scratch, "3m")
    free = iter([10**12, 0])
    monkeypatch.setattr(trial, "free_bytes", lambda _: next(free))

    with pytest.raises(NoSpace):
        server.backups.verify(backup, "login:test", trial=scratch)

    assert server.catalog.get(backup.id).broken == ""


def test_same_backup_is_not_tried_twice_at_once(server, archived, scratch):
    backup = archived()
    used = scratch / f"{PREFIX}{backup.id}"
    used.mkdir(parents=True)
    lock = os.open(used, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)

    with pytest.raises(Busy):
        server.backups.verify(backup, "login:test", trial=scratch)

    assert used.is_dir()
    os.close(lock)
    assert server.backups.verify(backup, "login:test", trial=scratch).broken == ""


def test_what_a_killed_trial_left_is_removed_and_nothing_else(scratch):
    script = (
        "import sys, time; from pathlib import Path; from thaniya_core.archive.scratch import scratch_directory\n"
        "with scratch_directory(Path(sys.argv[1]), 'x') as place:\n"
        "    (place / 'deep').mkdir(mode=0); print('there', flush=True); time.sleep(600)\n"
    )
    with Process([sys.executable, "-c", script, str(scratch)], timeout_s=60, stdout=True) as process:
        assert process.stdout.readline() == b"there\n"
        clean_scratch(scratch)
        assert (scratch / f"{PREFIX}x").is_dir()
        os.kill(process._popen.pid, signal.SIGKILL)
        process.wait()
    (scratch / "somebody's").mkdir()

    clean_scratch(scratch)

    assert [path.name for path in scratch.iterdir() if path.is_dir()] == ["somebody's"]


def test_starting_the_service_removes_what_a_killed_trial_left(server, volume, reopen):
    left = volume / ".testing" / f"{PREFIX}x"
    left.mkdir(parents=True)

    reopen().recover()

    assert not left.exists()
