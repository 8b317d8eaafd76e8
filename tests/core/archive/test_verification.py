"""Verification meets what is hostile, runs at its pace, and leaves nothing when it is stopped."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import tarfile
import threading
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.config import VerifyLimits
from thaniya_core.errors import NotFound
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.contents import ContentsEntry, encode_entry
from thaniya_core.formats.documents import encode_documents
from thaniya_core.formats.manifest import FileKind, Manifest
from thaniya_core.retention import parse_policy
from thaniya_core.system.run import run
from thaniya_core.system.throttle import Stopped, Throttle

DAY_S = 86400


def _verify(server, backup) -> str:
    return server.backups.verify(backup, "login:test").broken


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
@pytest.mark.parametrize("damage", ["whole", "cut", "flipped", "not compressed at all", "empty", "no archive inside"])
def test_archive_that_cannot_be_restored_is_broken_although_its_sum_is_right(server, archived, make_tar, pack, damage):
    plain = make_tar("w", noise=os.urandom(50_000))
    data = bytearray(pack(plain))
    if damage == "cut":
        del data[-20:]
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
    elif damage == "not compressed at all":
        data = bytearray(plain)
    elif damage == "empty":
        data.clear()
    elif damage == "no archive inside":
        data = bytearray(pack(b"a text that is no archive\n" * 1000))
    suffix = {gzip.compress: "gz", bz2.compress: "bz2", lzma.compress: "xz"}[pack]

    broken = _verify(server, archived(**{f"home__tar__{suffix}": bytes(data)}))

    assert (f"home.tar.{suffix} cannot be listed to its end: " in broken) == (damage != "whole"), broken


def test_plain_file_is_kept_as_it_came_whatever_its_name_says(server, archived):
    assert _verify(server, archived(letter__txt__gz=b"no gzip at all")) == ""


def test_broken_backup_is_not_counted_by_retention(server, archived, clock):
    good = archived(notes__txt=b"some notes")
    clock.advance(DAY_S)
    bad = archived(home__tar__gz=b"no archive")
    server.backups.verify(bad, "login:test")
    server.retention_settings.set("default", parse_policy("keep-last=1"), "login:test")

    server.retention.apply(good.series, "login:test")

    assert {backup.id for backup in server.catalog.find()} == {good.id, bad.id}


def _list(*entries: ContentsEntry) -> bytes:
    return gzip.compress(b"".join(map(encode_entry, entries)))


def _entry(path: bytes, size: int, mode: str = "-rw-r--r--") -> ContentsEntry:
    return ContentsEntry(mode, "0/0", size, "1970-01-01T00:00:00Z", path)


A, B = _entry(b"./a", 4), _entry(b"./b", 5)


@pytest.fixture
def with_list(archived, make_tar, manifest_of):
    def make(listed: bytes):
        files = {"home__tar": make_tar("w", a=b"data", b=b"12345"), "home__files__gz": listed}
        tar, contents = manifest_of(**files).files
        told = (
            replace(tar, kind=FileKind.TAR),
            replace(contents, kind=FileKind.CONTENTS, compression=Compression.GZIP, describes="home.tar"),
        )
        return archived(Manifest(told), **files)

    return make


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (_list(A, B), ""),
        (_list(A), "holds ./b, its contents list does not"),
        (_list(A, B, B), "does not hold ./b, its contents list does"),
        (_list(A, _entry(b"./b", 6)), "holds -rw-r--r-- 5 ./b, its contents list has -rw-r--r-- 6 ./b"),
        (_list(A, _entry(b"./b", 5, "-rwsr-xr-x")), "its contents list has -rwsr-xr-x 5 ./b"),
        (_list(), "holds ./a, its contents list does not"),
        (
            gzip.compress(b"rubbish\n"),
            "cannot be compared with what it should hold: line 1 of",
        ),
        (_list(A, B)[:-9], "home.files.gz of"),
        (b"no gzip", "home.files.gz of"),
    ],
    ids=["same", "too few", "too many", "size", "mode", "empty", "rubbish", "cut", "no gzip"],
)
def test_archive_is_compared_with_its_contents_list(server, with_list, listed, told):
    broken = _verify(server, with_list(listed))

    assert told in broken and bool(told) == bool(broken)


def test_text_that_leaves_a_file_out_or_restores_another_is_found(server, archived, make_tar):
    backup = archived(home__tar__gz=make_tar(a=b"a"), notes__txt=b"notes")
    directory = server.catalog.directory(backup)
    documents = encode_documents(backup.document)
    for name in ("RESTORE.txt", "SHA256SUMS"):
        (directory / name).chmod(0o640)
    text = documents["RESTORE.txt"].replace(b"cp -p -f ./notes.txt", b"cp -p -f ./other.txt")
    (directory / "RESTORE.txt").write_bytes(text)

    broken = _verify(server, backup)

    assert "RESTORE.txt does not restore notes.txt" in broken
    assert "RESTORE.txt restores other.txt, which is no file of it" in broken


def test_file_that_the_archive_compressed_is_decompressed_to_its_end(server, archived, reopen, root):
    file = root / "thaniya.toml"
    file.write_text(file.read_text() + '\n[compression]\n"*" = "xz"\n')
    # A fault that no sum of the stored form shows: the document was written for other bytes.
    backup = archived(dump__sql=lzma.compress(b"select" * 1000)[:-8])
    (stored,) = backup.document.files
    lie = replace(
        stored,
        name="dump.sql.xz",
        compression=Compression.XZ,
        uploaded_name="dump.sql",
        uploaded_sha256="0" * 64,
        uploaded_bytes=6000,
    )
    directory = server.catalog.directory(backup)
    (directory / "dump.sql").rename(directory / "dump.sql.xz")
    changed = replace(backup, document=replace(backup.document, files=(lie,)))
    for name, data in encode_documents(changed.document).items():
        (directory / name).chmod(0o640)
        (directory / name).write_bytes(data)

    assert "dump.sql.xz cannot be decompressed to its end" in _verify(server, changed)


VERIFY_IN_LITTLE_MEMORY = r"""
import re, sys
from pathlib import Path
from thaniya_core.server import open_server
server = open_server(Path(sys.argv[1]))
before = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
(backup,) = server.catalog.find()
broken = server.backups.verify(backup, "login:test").broken
after = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
print(after, after - before, broken)
"""


CHOOSE_IN_LITTLE_MEMORY = r"""
import re, sys
from datetime import timedelta
from pathlib import Path
from thaniya_core.server import open_server
from thaniya_core.store.cache import ContentCache
from thaniya_core.testing import FixedClock
def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
clock = FixedClock()
clock.advance(10 * 365 * 86400)
server = open_server(Path(sys.argv[1]), clock)
server.store._cache = ContentCache(limit_bytes=1)
before = peak()
chosen = server.verification.due(timedelta(days=1))
print(len(chosen), peak() - before)
"""


def _verify_apart(root: Path) -> tuple[int, int, str]:
    """Verify the only backup in a process of its own; gives its peak in KiB, how much it grew, and what is broken."""
    done = run([sys.executable, "-c", VERIFY_IN_LITTLE_MEMORY, str(root / "thaniya.toml")], timeout_s=300)
    peak, grown, broken = done.stdout.decode().rstrip("\n").split(" ", 2)
    return int(peak), int(grown), broken


def test_bomb_in_an_archive_and_in_its_list_takes_no_memory(root, archived, manifest_of, tmp_path):
    zeros = tmp_path / "zeros"
    with zeros.open("wb") as file:
        file.truncate(400_000_000)
    archive = tmp_path / "home.tar.gz"
    run(["tar", "-C", str(tmp_path), "-czf", str(archive), "./zeros"], timeout_s=120, env={"GZIP": "-1"})
    files = {"home__tar__gz": archive.read_bytes(), "home__files__gz": gzip.compress(b"x" * 100_000_000)}
    tar, listed = manifest_of(**files).files
    told = (
        replace(tar, kind=FileKind.TAR, compression=Compression.GZIP),
        replace(listed, kind=FileKind.CONTENTS, compression=Compression.GZIP, describes="home.tar.gz"),
    )
    archived(Manifest(told), **files)

    peak, grown, broken = _verify_apart(root)

    assert "a line of the contents list is longer than" in broken
    assert peak < 100 * 1024
    assert grown < 30 * 1024


def test_dictionary_of_gigabytes_is_refused_and_is_no_sign_of_damage(root, server, archived, make_tar):
    data = bytearray(lzma.compress(make_tar("w", a=b"data")))
    header_bytes = (data[12] + 1) * 4
    assert data[14:16] == b"\x21\x01"  # the LZMA2 filter and one byte of properties (xz-file-format.txt, 5.3.1)
    data[16] = 39  # 3 GiB
    data[12 + header_bytes - 4 : 12 + header_bytes] = struct.pack("<I", zlib.crc32(data[12 : 12 + header_bytes - 4]))
    backup = archived(home__tar__xz=bytes(data))

    _, grown, broken = _verify_apart(root)

    assert broken == ""
    assert grown < 30 * 1024
    events = [event for event in server.store.read_events() if event.action == "backup.verify"]
    assert "home.tar.xz: decompressing it takes more memory than 256MiB" in events[-1].detail
    assert server.catalog.get(backup.id).verified_at is not None


def test_name_of_millions_of_letters_ends_the_comparison_and_not_the_memory(root, server, archived):
    packed = io.BytesIO()
    with tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("a" * 5_000_000))
    archived(home__tar=packed.getvalue())

    _, grown, broken = _verify_apart(root)

    assert "longer than" in broken
    assert grown < 30 * 1024


def test_options_of_the_programs_from_outside_change_nothing(server, archived, make_tar, monkeypatch):
    monkeypatch.setenv("TAR_OPTIONS", "--exclude=*")
    monkeypatch.setenv("XZ_OPT", "--no-such-option")
    monkeypatch.setenv("XZ_DEFAULTS", "--no-such-option")

    assert _verify(server, archived(home__tar__xz=make_tar("w:xz", a=b"a"))) == ""


def test_reading_keeps_to_the_rate(server, archived, clock):
    backup = archived(notes__bin=os.urandom(3_000_000))
    begun = clock.monotonic()

    server.backups.verify(backup, "login:test", Throttle(clock, 1_000_000))

    assert clock.monotonic() - begun == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("kind", ["plain", "archive"])
def test_verification_that_is_stopped_leaves_nothing(server, archived, make_tar, clock, kind):
    noise = os.urandom(3_000_000)
    files = {"home__tar__gz": make_tar(noise=noise)} if kind == "archive" else {"notes__bin": noise}
    backup = archived(**files)
    events = len(list(server.store.read_events()))
    asked = iter([False, False, True])

    with pytest.raises(Stopped):
        server.backups.verify(backup, "login:test", Throttle(clock, None, lambda: next(asked)))

    assert server.catalog.get(backup.id) == backup
    assert len(list(server.store.read_events())) == events
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert [child for child in children if b"tar" in Path(f"/proc/{child}/cmdline").read_bytes()] == []


def test_pin_that_is_set_while_a_backup_is_read_stays(server, archived):
    backup = archived()
    server.backups.verify(backup, "login:test", lambda _: server.backups.pin(backup, True, "login:test"))

    known = server.catalog.get(backup.id)
    assert (known.notes.pinned, known.verified_at is not None) == (True, True)


def test_backup_that_is_removed_while_it_is_read_does_not_come_back(server, archived):
    backup = archived(notes__bin=os.urandom(100))
    with pytest.raises(NotFound):
        server.backups.verify(backup, "login:test", lambda _: server.backups.remove(backup, "login:test"))

    assert server.catalog.find() == []


@pytest.fixture
def limits(server, monkeypatch):
    def make(**values: int) -> None:
        monkeypatch.setattr(server.verification, "_limits", VerifyLimits(**values))

    return make


def test_run_reads_what_is_due_and_tells_what_is_broken(server, archived, clock, limits):
    old = archived(home__tar__gz=b"no archive")
    clock.advance(20 * DAY_S)
    young = archived(notes__txt=b"young")
    clock.advance(11 * DAY_S)

    done = server.verification.run_due(timedelta(days=1))

    assert [backup.id for backup in done.verified] == [old.id]
    assert done.verified[0].broken != ""
    assert (done.was_stopped, done.unreadable) == (False, ())
    assert server.catalog.get(young.id).verified_at is None
    assert server.verification.due(timedelta(days=1)) == []


def test_broken_ones_are_left_alone(server, archived, clock):
    bad = archived(home__tar__gz=b"no archive")
    server.backups.verify(bad, "login:test")
    clock.advance(60 * DAY_S)

    assert server.verification.due(timedelta(days=1)) == []


def test_backup_that_is_removed_after_it_was_chosen_is_passed_over(server, archived, clock, limits):
    first = archived(notes__txt=b"first")
    clock.advance(1)
    second = archived(notes__txt=b"second")
    clock.advance(40 * DAY_S)
    asked: list[bool] = []

    def remove_second() -> bool:
        if not asked:
            server.backups.remove(second, "login:test")
        asked.append(True)
        return False

    done = server.verification.run_due(timedelta(days=1), remove_second)

    assert ([backup.id for backup in done.verified], done.unreadable) == ([first.id], ())


def test_choosing_holds_no_backups(root, server, archived, clock):
    backup = archived(notes__txt=b"notes")
    for number in range(200):
        document = replace(backup.document, name=f"nightly-{number}")
        many = (replace(document, id=f"20260101T000000Z-{number * 100 + each:06x}") for each in range(100))
        server.store.replace_catalog(document.series, [replace(backup, document=each) for each in many])

    done = run([sys.executable, "-c", CHOOSE_IN_LITTLE_MEMORY, str(root / "thaniya.toml")], timeout_s=300)

    count, grown = map(int, done.stdout.split())
    assert count == 20_001
    assert grown < 18 * 1024  # the backups themselves take 26 MiB


def test_run_keeps_to_its_rate_and_its_bytes(server, archived, clock, limits):
    limits(limit_rate=1_000_000, most_per_run=2_500_000)
    for number in range(4):
        archived(**{f"noise{number}__bin": os.urandom(1_000_000)})
    clock.advance(40 * DAY_S)
    begun = clock.monotonic()

    done = server.verification.run_due(timedelta(days=1))

    assert len(done.verified) == 2
    assert clock.monotonic() - begun == pytest.approx(2, abs=0.1)


def test_run_that_is_stopped_keeps_what_it_has_done(server, archived, clock, limits):
    limits(limit_rate=0)
    for number in range(3):
        clock.advance(1)
        archived(**{f"notes{number}__txt": b"notes"})
    clock.advance(40 * DAY_S)
    asked = iter([False, True])

    done = server.verification.run_due(timedelta(days=1), lambda: next(asked))

    assert (len(done.verified), done.was_stopped) == (1, True)
    assert sum(backup.verified_at is not None for backup in server.catalog.find()) == 1


def test_run_has_the_lowest_priority(server, archived, clock):
    archived()
    clock.advance(40 * DAY_S)
    niceness: list[int] = []

    def look() -> bool:
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return False

    server.verification.run_due(timedelta(days=1), look)

    assert set(niceness) == {19}


def test_backup_that_is_not_there_keeps_no_other_from_being_read(server, archived, clock):
    gone = archived(notes__txt=b"gone")
    clock.advance(1)
    there = archived(notes__txt=b"there")
    server.catalog.directory(gone).rename(server.catalog.directory(gone).with_name("elsewhere"))
    clock.advance(40 * DAY_S)

    done = server.verification.run_due(timedelta(days=1))

    assert [backup.id for backup in done.verified] == [there.id]
    assert [reason.startswith(gone.id) for reason in done.unreadable] == [True]


def test_missing_volume_is_left_alone(server, archived, clock, volume):
    archived()
    volume.rename(volume.with_name("unmounted"))
    clock.advance(40 * DAY_S)

    assert server.verification.due(timedelta(days=1)) == []
