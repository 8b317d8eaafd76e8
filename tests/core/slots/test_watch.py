"""Watching open uploads."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from thaniya_core.config import Seconds, Size, SlotLimits
from thaniya_core.model import SlotUsage, Upload, UploadState
from thaniya_core.slots.watch import RETURN_S, judge

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
LIMITS = SlotLimits(silence=Seconds(900), margin=Size(1000), assumed=Size(500))
YEAR = timedelta(days=365)


def _upload(**changes: object) -> Upload:
    facts = {"expected_bytes": 100, "reserved_bytes": 110, "allowed_bytes": 200}
    return Upload("id", "alice", "web1", "nightly", "thaniya_01", NOW, NOW, **(facts | changes))


def _usage(size: int) -> SlotUsage:
    return SlotUsage(size, size, 1, NOW, 1)


@pytest.mark.parametrize(
    ("upload", "size", "silent_s", "free", "ending"),
    [
        (_upload(), 200, 900.0, 0, None),
        (_upload(), 201, 0.0, 10**9, UploadState.REJECTED),
        (_upload(), 0, 900.1, 10**9, UploadState.EXPIRED),
        (_upload(allowed_bytes=None), 10**9, 0.0, 10**9, None),
        (_upload(expected_bytes=None, reserved_bytes=500, allowed_bytes=None), 501, 0.0, 999, UploadState.REJECTED),
        (_upload(expected_bytes=None, reserved_bytes=500, allowed_bytes=None), 501, 0.0, 1000, None),
        (_upload(expected_bytes=None, reserved_bytes=500, allowed_bytes=None), 500, 0.0, 0, None),
        (_upload(expected_bytes=None, reserved_bytes=500, allowed_bytes=600), 601, 0.0, 10**9, UploadState.REJECTED),
    ],
)
def test_upload_is_judged_by_size_space_and_silence(upload, size, silent_s, free, ending):
    verdict = judge(upload, _usage(size), silent_s, free, LIMITS)

    assert (verdict.ending if verdict else None) is ending
    assert verdict is None or verdict.reason


@pytest.fixture
def upload(open_upload):
    return open_upload()


def _state(server, upload) -> UploadState:
    found = server.uploads.get(upload.id)
    return found.ending or found.state


def test_silent_upload_expires(server, upload, clock):
    server.watch_uploads(remembers=True)
    clock.advance(900)
    server.watch_uploads(remembers=True)
    assert _state(server, upload) is UploadState.OPEN

    clock.advance(1)
    server.watch_uploads(remembers=True)

    assert _state(server, upload) is UploadState.EXPIRED
    assert server.uploads.get(upload.id).reason == "nothing came for 15 min"


def test_upload_that_grows_does_not_expire(server, upload, put_file, clock):
    for size in range(1, 5):
        put_file(upload, "a", b"x" * size)
        server.watch_uploads(remembers=True)
        clock.advance(800)

    assert _state(server, upload) is UploadState.OPEN


@pytest.mark.parametrize("by", [YEAR, -YEAR])
def test_clock_that_is_set_expires_nothing_in_a_service(server, upload, clock, by):
    server.watch_uploads(remembers=True)
    clock.set_wall_clock(by)
    clock.advance(10)

    server.watch_uploads(remembers=True)

    assert _state(server, upload) is UploadState.OPEN


@pytest.mark.parametrize("by", [YEAR, -YEAR])
def test_silence_is_noticed_whatever_the_wall_clock_says(server, upload, clock, by):
    server.watch_uploads(remembers=True)
    clock.set_wall_clock(by)
    clock.advance(901)

    server.watch_uploads(remembers=True)

    assert _state(server, upload) is UploadState.EXPIRED


def test_restarted_service_begins_to_count_anew(upload, clock, reopen):
    clock.advance(10_000)

    restarted = reopen()
    restarted.watch_uploads(remembers=True)

    assert _state(restarted, upload) is UploadState.OPEN


def test_single_pass_expires_by_the_stored_time(upload, clock, reopen):
    clock.advance(901)

    single = reopen()
    single.watch_uploads(remembers=False)

    assert _state(single, upload) is UploadState.EXPIRED


def test_clock_set_back_expires_nothing_in_a_single_pass(upload, clock, reopen):
    clock.set_wall_clock(-YEAR)

    single = reopen()
    single.watch_uploads(remembers=False)

    assert _state(single, upload) is UploadState.OPEN


def test_outgrown_upload_is_rejected(server, open_upload, put_file):
    upload = open_upload(10)
    os.truncate(put_file(upload, "a", b""), upload.allowed_bytes + 1)

    server.watch_uploads(remembers=True)

    assert _state(server, upload) is UploadState.REJECTED
    assert "were allowed" in server.uploads.get(upload.id).reason


def test_progress_is_stored(server, upload, put_file, clock):
    put_file(upload, "a", b"12345")
    clock.advance(5)

    server.watch_uploads(remembers=True)

    seen = server.uploads.get(upload.id)
    assert (seen.received_bytes, seen.received_files, seen.last_activity_at) == (5, 1, clock.now())


def test_bytes_are_noted_at_each_look_and_their_rate_once_a_second(server, upload, put_file, clock):
    seen = []
    for size in (1000, 2000, 3000, 4000, 4000, 4000, 4000):
        put_file(upload, "a", b"x" * size)
        server.watch_uploads(remembers=True)
        noted = server.uploads.get(upload.id)
        seen.append((noted.received_bytes, noted.bytes_per_s))
        clock.advance(0.5)
    assert seen == [(1000, 1000), (2000, 1000), (3000, 2000), (4000, 2000), (4000, 1000), (4000, 1000), (4000, 0)]


def test_all_progress_is_written_in_one_transaction_and_none_when_nothing_moved(server, open_upload, put_file, clock):
    for upload in (open_upload(), open_upload()):
        put_file(upload, "a", b"x" * 1000)
    state = server.config.paths.state / "state.json"
    before = state.stat().st_ino
    server.watch_uploads(remembers=True)
    written = state.stat().st_ino
    assert (state.parent / "state.json.previous").stat().st_ino == before
    clock.advance(0.2)
    server.watch_uploads(remembers=True)
    assert written != before and state.stat().st_ino == written


def test_slot_that_cannot_be_looked_at_keeps_no_other_from_being_watched(server, open_upload, clock):
    broken, silent = open_upload(), open_upload()
    shutil.rmtree(server.accounts.directory(broken.slot))
    server.watch_uploads(remembers=True)
    clock.advance(901)

    server.watch_uploads(remembers=True)

    assert _state(server, silent) is UploadState.EXPIRED


def test_upload_that_is_completed_in_this_moment_stays_completed(server, upload, put_file, clock, monkeypatch):
    put_file(upload, "a", b"a")
    server.watch_uploads(remembers=True)
    clock.advance(901)
    real = server.accounts.usage

    def completes(slot: str) -> SlotUsage:
        usage = real(slot)
        server.uploads.complete(upload.id, None, "alice")
        return usage

    monkeypatch.setattr(server.accounts, "usage", completes)
    server.watch_uploads(remembers=True)

    closing = server.uploads.get(upload.id)
    assert (closing.state, closing.ending) == (UploadState.CLOSING, None)


def test_new_upload_in_the_same_slot_does_not_inherit_the_silence(server, open_upload, clock):
    first = open_upload()
    server.watch_uploads(remembers=True)
    clock.advance(800)
    server.abort_upload(first.id, "", "alice")
    server.slots.disable("thaniya_02", "login:root")
    second = open_upload()
    assert second.slot == first.slot

    server.watch_uploads(remembers=True)
    clock.advance(800)
    server.watch_uploads(remembers=True)

    assert _state(server, second) is UploadState.OPEN


def test_dead_upload_expires_soon_after_a_restart_however_often_the_service_restarts(upload, clock, reopen):
    clock.advance(LIMITS.silence)
    restarted = reopen()
    restarted.watch_uploads(remembers=True)
    assert _state(restarted, upload) is UploadState.OPEN

    clock.advance(RETURN_S + 1)
    restarted.watch_uploads(remembers=True)

    assert _state(restarted, upload) is UploadState.EXPIRED


def test_upload_of_holes_is_rejected(server, open_upload, clock):
    """A hole costs its client nothing and would keep a worker busy for hours."""
    upload = open_upload(expected_bytes=None)
    with (server.accounts.directory(upload.slot) / "holes").open("wb") as file:
        file.truncate(2**43)

    server.watch_uploads(remembers=True)

    assert _state(server, upload) is UploadState.REJECTED
    assert "holes" in server.uploads.get(upload.id).reason


def test_upload_with_a_directory_ends_before_bytes_can_hide_in_it(server, upload):
    (server.accounts.directory(upload.slot) / "hidden").mkdir()

    server.watch_uploads(remembers=True)

    assert _state(server, upload) is UploadState.REJECTED
    assert server.uploads.get(upload.id).reason == "only plain files are taken: 'hidden' is a directory"
