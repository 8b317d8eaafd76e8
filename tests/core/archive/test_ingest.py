"""From the spool into its place on a volume, with the promise."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.archive import bringing, ingest
from thaniya_core.errors import WrongUsage
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.manifest import BackupFile, FileKind, Manifest, SumsBy
from thaniya_core.formats.notes import Notes
from thaniya_core.model import JobState, SlotState, UploadState
from thaniya_core.system.run import run


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _half_done(volume: Path) -> list[Path]:
    return list(volume.glob(".incoming/*"))


def test_backup_lies_in_its_place_as_plain_files_that_nobody_changes(archived, server):
    backup = archived(home__tar__gz=b"not really a tar", client__log=b"done")

    directory = server.catalog.directory(backup)
    assert directory.parts[-4:] == ("alice", "web1", "nightly", backup.id)
    assert sorted(path.name for path in directory.iterdir()) == [
        "RESTORE.txt",
        "SHA256SUMS",
        "backup.json",
        "client.log",
        "home.tar.gz",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o440}
    assert {path.stat().st_nlink for path in directory.iterdir()} == {1}
    run(["sha256sum", "-c", "SHA256SUMS"], cwd=directory, timeout_s=30)


def test_document_tells_what_the_client_said_and_the_server_measured(archived, clock):
    data, log = b"not really a tar", b"done"
    described = BackupFile("home.tar.gz", _sum(data), len(data), FileKind.TAR, Compression.GZIP, 1000, 3, None, True)
    manifest = Manifest((described, BackupFile("client.log", _sum(log))), ("one vanished",), 7, client="client/1")

    document = archived(manifest, home__tar__gz=data, client__log=log).document

    assert document.files == (BackupFile("client.log", _sum(log), len(log), FileKind.LOG), described)
    assert (document.stored_bytes, document.original_bytes) == (len(data) + len(log), 1000 + len(log))
    assert (document.warnings, document.warning_count, document.client) == (("one vanished",), 7, "client/1")
    assert document.sums_by is SumsBy.CLIENT
    assert document.archived_at == clock.now()


def test_upload_without_a_manifest_gets_its_sums_from_the_server(server, open_upload, put_file, run_jobs):
    upload = open_upload()
    put_file(upload, "home.tar.gz", b"data")
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()

    run_jobs()

    document = server.catalog.get(upload.id).document
    assert document.sums_by is SumsBy.SERVER
    assert document.files == (BackupFile("home.tar.gz", _sum(b"data"), 4, FileKind.TAR, Compression.GZIP),)


def test_archived_upload_goes_into_the_history_with_its_size(server, archived):
    backup = archived(notes__txt=b"12345")

    ended = server.uploads.get(backup.id)
    assert (ended.state, ended.stored_bytes, ended.reason) == (UploadState.ARCHIVED, 5, "")
    assert server.uploads.list_on_their_way() == []
    assert list(server.config.paths.spool.iterdir()) == []
    assert server.jobs.waiting() == []


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (Manifest((BackupFile("a", _sum(b"other"), 4),)), "a has another SHA-256 than promised"),
        (Manifest((BackupFile("a", _sum(b"data"), 5),)), "a has 4 bytes, 5 were promised"),
        (Manifest((BackupFile("a", _sum(b"data"), 4), BackupFile("b", "0" * 64))), "b was promised and is not there"),
        (Manifest((BackupFile("b", _sum(b"data"), 4),)), "b was promised and is not there; a is there and was not"),
        (Manifest(()), "a is there and was not promised"),
    ],
)
def test_upload_that_is_not_as_promised_is_rejected(server, spooled, run_jobs, volume, manifest, reason):
    upload = spooled(manifest, a=b"data")

    run_jobs()

    ended = server.uploads.get(upload.id)
    assert (ended.state, ended.reason[: len(reason)]) == (UploadState.REJECTED, reason)
    assert server.catalog.find() == []
    assert list(volume.glob("archive/*/*/*/*")) == []
    assert _half_done(volume) == []
    assert list(server.config.paths.spool.iterdir()) == []
    assert server.jobs.waiting() == []


def test_sum_without_a_size_is_enough(archived):
    assert archived(Manifest((BackupFile("a", _sum(b"data")),)), a=b"data").document.files[0].size_bytes == 4


def test_reason_shows_a_few_of_many_complaints(server, spooled, run_jobs):
    upload = spooled(Manifest(tuple(BackupFile(f"x{number}", "0" * 64) for number in range(9))), a=b"data")

    run_jobs()

    assert server.uploads.get(upload.id).reason.endswith("; and 5 more")


STEPS = [
    (bringing, "link_file"),
    (bringing, "hash_file"),
    (ingest, "write_atomic"),
    (ingest, "publish_directory"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[name for _, name in STEPS])
def test_step_that_fails_is_tried_again_and_gives_one_backup(
    server, spooled, run_jobs, volume, clock, failing, owner, name, after
):
    upload = spooled(a=b"one", b=b"two")

    with failing(owner, name, after=after):
        run_jobs()
    waiting = server.uploads.get(upload.id)
    clock.advance(5)
    run_jobs()

    assert waiting.state is UploadState.SPOOLED
    assert "will be tried again" in waiting.reason
    assert "Input/output error" in waiting.reason
    (backup,) = server.catalog.find()
    assert server.backups.verify(backup, "login:test").broken == ""
    assert [path.name for path in volume.glob("archive/*/*/*/*")] == [upload.id]
    assert _half_done(volume) == []
    assert list(server.config.paths.spool.iterdir()) == []


@pytest.mark.parametrize("name", ["add_history", "add_event", "catalog_transaction"])
def test_state_that_cannot_be_written_is_tried_again(server, spooled, run_jobs, clock, failing, name):
    upload = spooled()

    with failing(server.store, name):
        run_jobs()
    clock.advance(5)
    run_jobs()

    assert [backup.id for backup in server.catalog.find()] == [upload.id]
    assert server.uploads.list_on_their_way() == []
    assert server.jobs.waiting() == []
    assert list(server.config.paths.spool.iterdir()) == []


def test_backup_that_was_renamed_but_not_synced_is_synced_before_it_counts(
    server, spooled, run_jobs, clock, failing, monkeypatch
):
    upload = spooled()
    with failing(ingest, "publish_directory", after=True):
        run_jobs()
    assert server.catalog.find() == []
    synced: list[Path] = []
    real = ingest.fsync_directory
    monkeypatch.setattr(ingest, "fsync_directory", lambda path: (synced.append(path.resolve()), real(path)))

    clock.advance(5)
    run_jobs()

    directory = server.catalog.directory(server.catalog.get(upload.id))
    assert synced == [directory, directory.parent]


def test_volume_that_is_gone_is_waited_for(server, spooled, run_jobs, volume, clock):
    upload = spooled()
    volume.rename(volume.with_name("unmounted"))

    run_jobs()
    waiting = server.uploads.get(upload.id)
    volume.with_name("unmounted").rename(volume)
    clock.advance(5)
    run_jobs()

    assert waiting.state is UploadState.SPOOLED
    assert "no active volume is there" in waiting.reason
    assert server.uploads.get(upload.id).state is UploadState.ARCHIVED


def test_directory_where_the_volume_was_mounted_is_not_written_to(server, spooled, run_jobs, volume):
    spooled()
    volume.rename(volume.with_name("unmounted"))
    volume.mkdir()

    run_jobs()

    assert list(volume.iterdir()) == []


def test_given_up_upload_fails_with_its_files_and_a_retry_archives_it(server, spooled, run_jobs, volume, clock):
    upload = spooled()
    volume.rename(volume.with_name("unmounted"))

    for _ in range(server.config.jobs.attempts):
        run_jobs()
        clock.advance(server.config.jobs.longest_delay)

    failed = server.uploads.get(upload.id)
    (job,) = server.jobs.waiting()
    assert (failed.state, job.state) == (UploadState.FAILED, JobState.FAILED)
    assert "no active volume is there" in failed.reason
    assert (server.spool.data(upload.id) / "notes.txt").exists()

    volume.with_name("unmounted").rename(volume)
    server.retry_job(job.id, "login:root")
    run_jobs()

    assert server.uploads.get(upload.id).state is UploadState.ARCHIVED
    assert [backup.id for backup in server.catalog.find()] == [upload.id]
    assert server.uploads.list_on_their_way() == server.jobs.waiting() == []


@pytest.fixture
def failed(server, spooled, run_jobs, volume, clock):
    upload = spooled()
    volume.rename(volume.with_name("unmounted"))
    for _ in range(server.config.jobs.attempts):
        run_jobs()
        clock.advance(server.config.jobs.longest_delay)
    volume.with_name("unmounted").rename(volume)
    return server.uploads.get(upload.id)


def test_aborted_failed_upload_loses_its_files(server, failed):
    assert failed.state is UploadState.FAILED

    ended = server.abort_upload(failed.id, "not needed", "login:root")

    assert (ended.state, ended.reason) == (UploadState.ABORTED, "not needed")
    assert list(server.config.paths.spool.iterdir()) == []
    assert server.jobs.waiting() == server.uploads.list_on_their_way() == []


def test_failed_upload_waits_through_a_restart(failed, reopen):
    restarted = reopen()

    restarted.recover()

    assert restarted.uploads.get(failed.id).state is UploadState.FAILED
    assert (restarted.spool.data(failed.id) / "notes.txt").exists()
    assert restarted.worker.run_due() == 0


@pytest.mark.parametrize("crashes", ["before the job is given up", "after the job was given up"])
def test_upload_fails_together_with_its_job_whenever_the_server_dies(
    server, spooled, run_jobs, volume, reopen, clock, failing, crashes
):
    upload = spooled()
    volume.rename(volume.with_name("unmounted"))
    for _ in range(server.config.jobs.attempts - 1):
        run_jobs()
        clock.advance(server.config.jobs.longest_delay)
    with failing(server.uploads, "fail_spooled", after=True) if crashes.startswith("before") else nullcontext():
        run_jobs()

    state = reopen().store.read()
    at_the_crash = (state.uploads.get(upload.id).state, [job.state for job in state.jobs.all()])
    restarted = reopen()
    restarted.recover()
    run_jobs(restarted)

    is_given_up = crashes.startswith("after")
    assert at_the_crash == (
        (UploadState.FAILED, [JobState.FAILED]) if is_given_up else (UploadState.SPOOLED, [JobState.RUNNING])
    )
    ended = restarted.uploads.get(upload.id)
    assert (ended.state, [job.state for job in restarted.jobs.waiting()]) == (UploadState.FAILED, [JobState.FAILED])
    assert "no active volume is there" in ended.reason


@pytest.fixture
def choose(server, root) -> Callable[[str], Path]:
    """Makes a volume the one that new uploads go to, and gives its directory."""

    def make(name: str) -> Path:
        directory = root / name
        if not directory.exists():
            server.volumes.add(directory, name, "login:root")
        with server.store.transaction() as state:
            for volume in state.volumes.all():
                state.volumes.put(replace(volume, active=volume.path == directory))
        return directory

    return make


def _archived_on(*volumes: Path) -> list[list[str]]:
    return [[path.name for path in volume.glob("archive/*/*/*/*")] for volume in volumes]


def test_interrupted_attempt_is_carried_on_on_the_volume_that_it_began_on(
    server, spooled, run_jobs, volume, clock, failing, choose
):
    upload = spooled()
    with failing(ingest, "publish_directory", after=True):
        run_jobs()
    other = choose("other")

    clock.advance(5)
    run_jobs()

    assert _archived_on(volume, other) == [[upload.id], []]
    assert server.catalog.directory(server.catalog.get(upload.id)).is_relative_to(volume)
    assert server.uploads.get(upload.id).state is UploadState.ARCHIVED


def test_attempt_that_began_on_a_volume_that_is_gone_waits_for_it(
    server, spooled, run_jobs, volume, clock, failing, choose
):
    upload = spooled()
    with failing(ingest, "publish_directory"):
        run_jobs()
    other = choose("other")
    volume.rename(volume.with_name("unmounted"))

    clock.advance(5)
    run_jobs()
    waiting = server.uploads.get(upload.id)
    volume.with_name("unmounted").rename(volume)
    clock.advance(60)
    run_jobs()

    assert (waiting.state, "is not at" in waiting.reason) == (UploadState.SPOOLED, True)
    assert _archived_on(volume, other) == [[upload.id], []]


@pytest.mark.parametrize("step", ["publish_directory", "mark_archived"])
def test_retried_upload_goes_to_another_volume_when_its_own_is_lost(
    server, spooled, run_jobs, volume, clock, failing, choose, step
):
    upload = spooled()
    with failing(ingest if step == "publish_directory" else server.uploads, step):
        run_jobs()
    other = choose("other")
    volume.rename(volume.with_name("lost"))
    for _ in range(server.config.jobs.attempts):
        clock.advance(server.config.jobs.longest_delay)
        run_jobs()
    failed = server.uploads.get(upload.id)
    (job,) = server.jobs.waiting()

    server.retry_job(job.id, "login:root")
    run_jobs()

    assert failed.state is UploadState.FAILED
    assert _archived_on(other) == [[upload.id]]
    backup = server.catalog.get(upload.id)
    assert server.catalog.directory(backup).is_relative_to(other)
    assert server.backups.verify(backup, "login:root").broken == ""


def test_upload_remembers_its_volume_through_a_restart(server, spooled, run_jobs, reopen, clock, failing, choose):
    upload = spooled()
    with failing(bringing, "link_file"):
        run_jobs()
    began_on = reopen().uploads.get(upload.id).volume
    other = choose("other")

    clock.advance(5)
    restarted = reopen()
    restarted.recover()
    run_jobs(restarted)

    assert restarted.catalog.get(upload.id).volume == began_on
    assert _archived_on(other) == [[]]


@pytest.fixture
def small_volume(server, root, small_disk) -> Path:
    """The only active volume, of six megabytes."""
    disk = small_disk(root / "small", "6m")
    (root / "volume" / "volume.json").unlink()
    server.volumes.add(disk, "small", "login:root")
    return disk


def test_upload_is_copied_to_a_volume_on_another_file_system(server, spooled, run_jobs, small_volume):
    upload = spooled(a=b"a" * 100_000)

    run_jobs()

    backup = server.catalog.get(upload.id)
    assert server.catalog.directory(backup).is_relative_to(small_volume)
    assert server.backups.verify(backup, "login:root").broken == ""
    assert list(server.config.paths.spool.iterdir()) == []


def test_full_volume_is_waited_for_and_keeps_no_part(server, spooled, run_jobs, small_volume, clock):
    upload = spooled(a=b"a" * 3_000_000)

    run_jobs()
    waiting = server.uploads.get(upload.id)

    assert waiting.state is UploadState.SPOOLED
    assert "do not fit" in waiting.reason
    assert _half_done(small_volume) == []


def test_volume_that_fills_while_it_is_written_keeps_no_part(
    server, spooled, run_jobs, small_volume, clock, monkeypatch
):
    upload = spooled(a=b"a" * 1_500_000, b=os.urandom(1_000_000))
    filler = small_volume / "filler"
    real = bringing.copy_file

    def fills(source: Path, target: Path) -> tuple[str, int]:
        if source.name == "b":
            with pytest.raises(OSError, match="No space left"):
                filler.write_bytes(b"x" * 10_000_000)
        return real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "DOCUMENTS_BYTES", 1024)
        patch.setattr(bringing, "copy_file", fills)
        run_jobs()
    waiting = server.uploads.get(upload.id)
    half_done = _half_done(small_volume)
    filler.unlink()
    clock.advance(5)
    monkeypatch.setattr(ingest, "DOCUMENTS_BYTES", 1024)
    run_jobs()

    assert "No space left on device" in waiting.reason
    assert half_done == []
    assert server.uploads.get(upload.id).state is UploadState.ARCHIVED


def test_damaged_manifest_in_the_spool_archives_nothing(server, spooled, run_jobs, root):
    upload = spooled()
    (file,) = (root / "spool" / upload.id).glob("manifest-*.json")
    file.write_bytes(file.read_bytes() + b" ")

    run_jobs()

    assert "is damaged" in server.uploads.get(upload.id).reason
    assert server.catalog.find() == []


def test_file_that_changes_in_the_spool_is_noticed(server, spooled, run_jobs):
    upload = spooled(a=b"data")
    (server.spool.data(upload.id) / "a").write_bytes(b"dat4")

    run_jobs()

    assert server.uploads.get(upload.id).state is UploadState.REJECTED


def test_many_uploads_are_archived_at_once(server, spooled, run_jobs):
    uploads = [spooled(a=bytes([number])) for number in range(6)]

    run_jobs()

    assert {backup.id for backup in server.catalog.find()} == {upload.id for upload in uploads}
    assert {slot.state for slot in server.slots.all()} == {SlotState.READY}


def test_sums_cover_every_other_file_of_the_backup(server, archived):
    directory = server.catalog.directory(archived(a=b"a", b=b"b"))

    sums = dict(reversed(line.split("  ")) for line in (directory / "SHA256SUMS").read_text().splitlines())

    others = [path for path in directory.iterdir() if path.name != "SHA256SUMS"]
    assert sorted(path.name for path in others) == ["RESTORE.txt", "a", "b", "backup.json"]
    assert sums == {path.name: _sum(path.read_bytes()) for path in others}


def test_error_that_is_not_foreseen_is_kept_as_the_reason(server, spooled, run_jobs, monkeypatch):
    upload = spooled()

    def fails(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(ingest, "make_document", fails)
    run_jobs()

    assert "KeyError: 'a bug'" in server.uploads.get(upload.id).reason


def test_errno_is_a_reason_people_can_read(server, spooled, run_jobs, monkeypatch):
    upload = spooled()

    def fails(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/mnt/volume/.incoming")

    monkeypatch.setattr(ingest, "make_directories", fails)
    run_jobs()

    assert (
        f"cannot archive {upload.id}: Read-only file system: /mnt/volume/.incoming"
        in server.uploads.get(upload.id).reason
    )


def test_tags_of_the_client_become_notes_that_people_may_change(archived, manifest_of, server):
    manifest = replace(manifest_of(home__tar=b"x"), tags=("b", "a"))
    backup = archived(manifest, home__tar=b"x")
    assert backup.notes == Notes(tags=("a", "b"))

    server.backups.tag(backup, ["c"], ["a"], "admin")
    server.catalog.rebuild()

    assert server.catalog.get(backup.id).notes.tags == ("b", "c")


@pytest.mark.parametrize("tags", [("two words",), ("\x1b[2J",), tuple(f"tag{number}" for number in range(51))])
def test_illegal_tags_of_a_client_are_refused(spooled, manifest_of, tags):
    with pytest.raises(WrongUsage):
        spooled(replace(manifest_of(home__tar=b"x"), tags=tags), home__tar=b"x")


def test_tags_outlive_an_attempt_that_was_interrupted_after_the_rename(
    server, spooled, manifest_of, run_jobs, clock, failing
):
    upload = spooled(replace(manifest_of(home__tar=b"x"), tags=("a",)), home__tar=b"x")
    with failing(ingest, "publish_directory", after=True):
        run_jobs()
    clock.advance(5)
    run_jobs()
    assert server.catalog.get(upload.id).notes.tags == ("a",)
