"""What a check sees of a real server."""

from __future__ import annotations

import os
import threading
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from thaniya_core.errors import NotFound, StateUnreadable, WrongUsage
from thaniya_core.formats.names import Series
from thaniya_core.model import Severity, UploadState
from thaniya_core.monitoring import write_textfile
from thaniya_core.retention import parse_policy
from thaniya_core.server import open_server
from thaniya_core.system.run import Process, run

SERIES = Series("alice", "web1", "nightly")


def codes(server):
    return {finding.code: finding for finding in server.monitoring.check().findings}


@pytest.fixture
def serving(server):
    """The server while it is its own service, as `thaniya serve` is."""
    with server.as_service() as is_service:
        assert is_service
        yield server


def test_new_server_only_lacks_its_service(server, clock):
    assert set(codes(server)) == {"service_not_running"}
    assert not (server.config.paths.state / "service.lock").exists()  # to look makes nothing
    with server.as_service():
        server.note_alive()
    assert codes(server) == {}
    clock.advance(3700)
    assert "ran for 1 h 2 min" in codes(server)["service_not_running"].text
    with server.as_service():
        assert codes(server) == {}
    assert set(codes(server)) == {"service_not_running"}


def test_service_of_another_process_is_seen(server, root, clock):
    lock = root / "state" / "service.lock"
    clock.advance(-86400)
    with server.as_service():
        server.note_alive()
    clock.advance(86400)
    assert "service_not_running" in codes(server)
    holder = "import fcntl,sys; f=open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    with Process(["python3", "-c", holder, str(lock)], timeout_s=60, stdin=True, stdout=True) as process:
        process.stdout.readline()
        assert codes(server) == {}


def test_backup_that_came_and_one_that_was_rejected_are_both_seen(
    serving, archived, spooled, run_jobs, manifest_of, clock
):
    archived()
    clock.advance(60)
    rejected = spooled(manifest_of(notes__txt=b"something else"))
    run_jobs()
    assert serving.uploads.get(rejected.id).state is UploadState.REJECTED
    failing = codes(serving)["series_failing"]
    assert failing.subject == "alice/web1/nightly"
    assert "rejected" in failing.text


def test_upload_that_was_given_up_counts_as_a_failure_of_its_series_though_it_waits(serving, spooled):
    upload = spooled()
    with serving.store.transaction() as state:
        serving.uploads.fail_spooled(state, upload.id, "no space")
    found = codes(serving)
    assert found["series_failing"].severity is found["upload_failed"].severity is Severity.CRITICAL


def test_user_who_never_backs_up_is_told_until_it_is_disabled(serving, alice, clock):
    assert "user_without_backup" not in codes(serving)
    clock.advance(8 * 86400)
    assert codes(serving)["user_without_backup"].subject == "alice"
    serving.users.disable("alice", "login:test")
    assert "user_without_backup" not in codes(serving)


def test_rhythm_is_learned_unless_the_user_is_disabled(serving, archived, clock):
    for day in range(9):
        archived(data=b"day %d" % day)
        clock.advance(86400)
    clock.advance(86400)
    assert codes(serving)["series_late"].subject == str(SERIES)
    serving.users.disable("alice", "login:test")
    assert "series_late" not in codes(serving)


def test_work_that_nobody_does_is_stuck(serving, spooled, clock):
    upload = spooled(data=b"some data")
    clock.advance(5 * 3600)
    assert not {"job_stuck", "upload_stuck"} & set(codes(serving))
    clock.advance(2 * 3600)
    found = codes(serving)
    assert found["job_stuck"].subject == f"archive {upload.id}"
    assert found["upload_stuck"].subject == f"alice/web1/nightly/{upload.id}"


def test_open_upload_is_stuck_when_its_silence_was_not_ended(server, open_upload, reopen, clock):
    file = server.config.file
    file.write_text(file.read_text().replace("[slots]", '[slots]\nsilence = "2h"'))
    open_upload()
    clock.advance(9 * 3600)
    assert "upload_stuck" not in codes(reopen())
    clock.advance(2 * 3600)
    assert "upload_stuck" in codes(reopen())


def test_series_that_only_ever_failed_and_one_that_is_only_expected_are_known(serving, alice, open_upload, clock):
    upload = open_upload()
    serving.uploads.end_open(upload.id, UploadState.EXPIRED, "silence", "service")
    serving.close_slots()
    serving.expectations.set(Series("alice", "web1", "weekly"), 86400, None, "login:test")
    clock.advance(86400 * 3)
    serving.note_alive()
    found = codes(serving)
    assert found["series_missing"].subject == "alice/web1/weekly"
    assert "none ever succeeded" in found["series_failing"].text


def test_policy_is_applied_or_told(serving, archived, clock):
    archived()
    serving.retention_settings.set("default", parse_policy("keep-daily=7"), "login:test")
    clock.advance(86400 * 8)
    serving.note_alive()
    assert "retention_not_applied" in codes(serving)
    serving.schedule.note_run("retention", "by hand")
    assert "retention_not_applied" not in codes(serving)


def test_volume_that_is_not_mounted_is_gone(serving, volume):
    (volume / "volume.json").rename(volume / "elsewhere")
    gone = codes(serving)["volume_gone"]
    assert (gone.severity, gone.subject) == (Severity.CRITICAL, "first")
    (volume / "volume.json").write_text("{")
    assert "volume.json cannot be read" in codes(serving)["volume_gone"].text


def test_server_whose_volumes_take_no_backups_is_told(serving):
    first = serving.volumes.get("first")
    serving.volumes.set_active(first, False, "login:test")
    assert codes(serving)["no_usable_volume"].severity is Severity.CRITICAL
    serving.volumes.set_active(first, True, "login:test")
    assert "no_usable_volume" not in codes(serving)


def test_disk_that_hangs_is_gone_and_hangs_nobody(serving, volume, monkeypatch):
    """A pipe in the place of volume.json keeps its reader waiting, as a network disk without its server does."""
    monkeypatch.setattr("thaniya_core.monitoring.VOLUME_WAIT_S", 0.2)
    (volume / "volume.json").unlink()
    os.mkfifo(volume / "volume.json")
    monkeypatch.setattr("thaniya_core.archive.presence.read_regular", lambda file, _: file.read_bytes())
    threads = threading.active_count()
    for _ in range(3):
        assert "did not answer within 0.2 s" in codes(serving)["volume_gone"].text
    assert threading.active_count() == threads + 1  # one that waits, however often one looks
    with (volume / "volume.json").open("wb"):
        pass  # lets the reader go


def test_full_disk_is_told(serving, small_disk, volume, root):
    small_disk(root / "small", "4M")
    serving.volumes.add(root / "small", "small", "login:test")
    assert "small" not in {finding.subject for finding in serving.monitoring.check().findings}
    run(["dd", "if=/dev/zero", f"of={root}/small/filler", "bs=1k", "count=4020"], timeout_s=60)
    full = codes(serving)["volume_full"]
    assert (full.subject, full.severity) == ("small", Severity.CRITICAL)


def test_disk_without_inodes_is_told(serving, small_disk, root):
    small_disk(root / "small", "4M,nr_inodes=100")
    serving.volumes.add(root / "small", "small", "login:test")
    free = os.statvfs(root / "small").f_ffree
    for number in range(free - 4):
        (root / "small" / str(number)).touch()
    full = codes(serving)["volume_full"]
    assert (full.subject, full.severity, "4 of 100 inodes are free" in full.text) == ("small", Severity.WARNING, True)


def test_broken_state_is_an_error_and_not_a_good_verdict(server, root):
    (root / "state" / "state.json").write_text("{")
    with pytest.raises(StateUnreadable):
        server.monitoring.check()


def test_expectations_are_kept_logged_and_taken_back(server, alice, reopen):
    with pytest.raises(NotFound, match="bob"):
        server.expectations.set(Series("bob", "web1", "nightly"), 86400, None, "login:test")
    with pytest.raises(WrongUsage):
        server.expectations.set(SERIES, 0, None, "login:test")
    assert server.expectations.set(SERIES, 86400, None, "login:test").grace_s == 6 * 3600
    assert server.expectations.set(SERIES, 3600, 60, "login:test").grace_s == 60
    assert [each.every_s for each in reopen().expectations.all()] == [3600]
    server.expectations.retire(SERIES, "login:test")
    assert [each.every_s for each in server.expectations.all()] == [None]
    server.expectations.unset(SERIES, "login:test")
    with pytest.raises(NotFound):
        server.expectations.unset(SERIES, "login:test")
    actions = [event.action for event in server.events()]
    assert actions[-4:] == ["series.set", "series.set", "series.set", "series.unset"]


def test_expectation_may_be_set_for_backups_of_a_user_who_is_gone(server, archived, clock):
    archived()
    server.users.remove("alice", "login:test")
    server.expectations.retire(SERIES, "login:test")


def test_metrics_are_written_at_once_and_readable_by_all(serving, archived, tmp_path):
    backup = archived()
    file = tmp_path / "collector" / "thaniya.prom"
    file.parent.mkdir()
    old_umask = os.umask(0o077)
    try:
        write_textfile(file, serving.monitoring.metrics(serving.monitoring.check()))
    finally:
        os.umask(old_umask)
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(file.parent.iterdir()) == [file]
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }
    assert samples["thaniya_backup_last_success_timestamp_seconds"] == pytest.approx(
        backup.document.archived_at.timestamp(), abs=0.001
    )
    assert samples["thaniya_volume_free_bytes"] > 0


@pytest.fixture
def told(tmp_path, root):
    """A server that tells a command; gives the server and what the command got, one message a line."""
    script = tmp_path / "tell"
    script.write_text(f"#!/bin/sh\ncat >> {tmp_path}/told\n")
    script.chmod(0o755)
    with (root / "thaniya.toml").open("a") as file:
        file.write(f'[notify]\ncommand = ["{script}"]\nmail = ["root"]\nsendmail = "{tmp_path}/no-sendmail"\n')
    return tmp_path / "told"


def test_changes_are_told_and_a_channel_that_fails_is_found_by_the_next_check(told, root, clock):
    server = open_server(root / "thaniya.toml", clock)
    results = {sent.channel: sent.reason for sent in server.monitoring.tell().sent}
    assert [bool(results[name]) for name in sorted(results)] == [False, True]
    assert "service_not_running" in told.read_text()
    failed = codes(server)["notification_failed"]
    assert (failed.subject, "no-sendmail" in failed.text) == ("mail", True)
    clock.advance(60)
    assert open_server(root / "thaniya.toml", clock).monitoring.tell().report.findings
    assert told.read_text().count("\n") == 2
    assert '"code":"notification_failed"' in told.read_text().splitlines()[1]


def test_ping_that_fails_is_found_by_the_next_check(root, clock, archived):
    with (root / "thaniya.toml").open("a") as file:
        file.write('[ping]\nsuccess = "http://127.0.0.1:9/{user}-{host}-{name}"\n')  # nothing listens there
    server = open_server(root / "thaniya.toml", clock)
    server.monitoring.tell()  # what was before is not told
    clock.advance(60)
    archived(data=b"some data")
    assert "ping_failed" not in codes(server)
    server.monitoring.tell()
    assert codes(server)["ping_failed"].subject == str(SERIES)


def test_two_that_tell_at_the_same_time_tell_once(told, root, clock, in_threads):
    servers = [open_server(root / "thaniya.toml", clock) for _ in range(2)]
    results = in_threads(*(server.monitoring.tell for server in servers))
    assert not [result for result in results if isinstance(result, Exception)]
    assert told.read_text().count("\n") == 1


def test_uploads_of_long_ago_are_no_sign_of_anything(serving, open_upload, clock):
    upload = open_upload()
    serving.uploads.end_open(upload.id, UploadState.EXPIRED, "silence", "service")
    serving.close_slots()
    assert "series_failing" in codes(serving)
    clock.advance(timedelta(days=36).total_seconds())
    serving.note_alive()
    assert "series_failing" not in codes(serving)
