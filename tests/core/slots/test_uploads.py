"""Uploads: completing, aborting, ending, looking up."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

import pytest

from thaniya_core.errors import IllegalName, NotFound, WrongState, WrongUsage
from thaniya_core.formats.manifest import BackupFile, Manifest
from thaniya_core.model import Upload, UploadState
from thaniya_core.slots import Uploads
from thaniya_core.system.locks import is_locked
from thaniya_core.testing import FixedClock

DEADLINE_S = 30.0


@pytest.fixture
def upload(open_upload, put_file):
    opened = open_upload()
    put_file(opened, "a", b"a")
    return opened


@pytest.fixture
def manifest(manifest_of):
    return manifest_of(a=b"a")


def _events(server, action: str):
    return [event for event in server.store.read_events() if event.action == action]


def test_completed_upload_closes_with_its_slot(server, upload, manifest, clock):
    completed = server.uploads.complete(upload.id, manifest, "alice@203.0.113.7")

    assert (completed.state, completed.ending, completed.completed_at) == (UploadState.CLOSING, None, clock.now())
    assert server.upload_in(upload.slot) is None
    assert server.spool.manifest(upload.id, completed.manifest_digest) == manifest
    assert [event.actor for event in _events(server, "upload.complete")] == ["alice@203.0.113.7"]


@pytest.mark.parametrize("with_manifest", [True, False])
def test_completing_again_gives_the_same_answer_at_any_time(server, upload, manifest, run_jobs, with_manifest):
    told = manifest if with_manifest else None
    states = [server.uploads.complete(upload.id, told, "alice").state]
    states.append(server.uploads.complete(upload.id, told, "alice").state)
    server.close_slots()
    states.append(server.uploads.complete(upload.id, told, "alice").state)
    run_jobs()
    states.append(server.uploads.complete(upload.id, told, "alice").state)

    assert states == ["closing", "closing", "spooled", "archived"]
    assert len(_events(server, "upload.complete")) == 1
    assert [backup.id for backup in server.catalog.find()] == [upload.id]


@pytest.mark.parametrize("is_archived", [True, False])
def test_completing_with_another_manifest_is_refused(server, upload, manifest, manifest_of, run_jobs, is_archived):
    server.uploads.complete(upload.id, manifest, "alice")
    if is_archived:
        server.close_slots()
        run_jobs()

    for other in (manifest_of(a=b"b"), None):
        with pytest.raises(WrongState, match="completed with another manifest"):
            server.uploads.complete(upload.id, other, "alice")


def test_illegal_manifest_changes_nothing(server, upload):
    for manifest, error in [
        (Manifest((BackupFile("../a", "0" * 64),)), IllegalName),
        (Manifest((BackupFile("a", "no sum"),)), WrongUsage),
    ]:
        with pytest.raises(error):
            server.uploads.complete(upload.id, manifest, "alice")
    assert server.uploads.get(upload.id).state is UploadState.OPEN


def test_aborted_upload_cannot_be_completed(server, upload, manifest):
    server.abort_upload(upload.id, "no", "alice")

    with pytest.raises(WrongState, match="is aborted"):
        server.uploads.complete(upload.id, manifest, "alice")
    assert list(server.config.paths.spool.iterdir()) == []


def test_one_of_two_manifests_wins_a_race(server, open_upload, put_file, in_threads, manifest_of, run_jobs):
    for _ in range(5):
        upload = open_upload()
        put_file(upload, "a", b"a")
        manifests = [manifest_of(a=b"a"), manifest_of(a=b"b")]

        def complete(told: Manifest, upload_id: str = upload.id) -> Upload:
            return server.settle(server.uploads.complete(upload_id, told, "alice"))

        results = in_threads(*[partial(complete, told) for told in manifests])

        winners = [result for result in results if isinstance(result, Upload)]
        assert [type(result) for result in results if result not in winners] == [WrongState]
        run_jobs()
        expected = UploadState.ARCHIVED if results[0] in winners else UploadState.REJECTED
        assert server.uploads.get(upload.id).state is expected
    assert list(server.config.paths.spool.iterdir()) == []


def test_same_manifest_wins_a_race_with_itself(server, upload, manifest, in_threads):
    results = in_threads(*[lambda: server.uploads.complete(upload.id, manifest, "alice").state] * 4)

    assert results == [UploadState.CLOSING] * 4
    assert len(_events(server, "upload.complete")) == 1


def test_upload_that_ends_while_its_manifest_comes_leaves_nothing(server, upload, manifest, monkeypatch):
    real = server.spool.keep_manifest

    def late(upload_id: str, told: Manifest) -> str:
        server.abort_upload(upload_id, "the administrator was faster", "login:root")
        return real(upload_id, told)

    monkeypatch.setattr(server.spool, "keep_manifest", late)
    with pytest.raises(WrongState, match="is aborted"):
        server.uploads.complete(upload.id, manifest, "alice")

    assert list(server.config.paths.spool.iterdir()) == []
    assert [ended.id for ended in server.uploads.list_ended(9)] == [upload.id]


def test_abort_races_with_complete_and_one_wins(server, open_upload, put_file, in_threads):
    for _ in range(5):
        upload = open_upload()
        put_file(upload, "a", b"a")

        in_threads(
            partial(server.uploads.complete, upload.id, None, "alice"),
            partial(server.uploads.abort, upload.id, "", "alice"),
        )
        server.close_slots()

        assert server.uploads.get(upload.id).state in (UploadState.SPOOLED, UploadState.ABORTED)


@pytest.mark.parametrize("state", ["closing", "spooled", "archived"])
def test_upload_that_was_completed_cannot_be_aborted(server, upload, run_jobs, state):
    server.uploads.complete(upload.id, None, "alice")
    if state != "closing":
        server.close_slots()
    if state == "archived":
        run_jobs()

    with pytest.raises(WrongState, match=f"is {state}"):
        server.abort_upload(upload.id, "", "alice")


def test_end_of_an_upload_is_told_once(server, upload):
    server.abort_upload(upload.id, "not wanted", "alice")

    assert [(event.actor, event.detail) for event in _events(server, "upload.aborted")] == [("alice", "not wanted")]
    ended = server.uploads.get(upload.id)
    assert (ended.state, ended.reason, ended.ending) == (UploadState.ABORTED, "not wanted", None)


def test_unknown_upload_is_told(server):
    with pytest.raises(NotFound):
        server.uploads.get("20261123T211500Z-ffffff")
    with pytest.raises(IllegalName):
        server.uploads.get("../state")


def test_waiting_ends_when_the_state_changes(server, upload, reopen):
    waiting_server = reopen()
    seen: list[UploadState] = []

    def wait() -> None:
        seen.append(server.uploads.wait(upload.id, "open", DEADLINE_S).state)

    threads = [
        threading.Thread(target=wait),
        threading.Thread(target=lambda: seen.append(waiting_server.uploads.wait(upload.id, "open", DEADLINE_S).state)),
    ]
    for thread in threads:
        thread.start()
    server.uploads.complete(upload.id, None, "alice")
    for thread in threads:
        thread.join(DEADLINE_S)

    assert seen == [UploadState.CLOSING] * 2


def test_waiting_for_no_time_gives_the_state_as_it_is(server, upload):
    assert server.uploads.wait(upload.id, "open", 0.0).state is UploadState.OPEN


def test_newest_ended_uploads_come_first(server, open_upload, clock):
    ids = []
    for _ in range(3):
        upload = open_upload()
        ids.append(upload.id)
        server.abort_upload(upload.id, "", "alice")
        clock.advance(1)

    assert [upload.id for upload in server.uploads.list_ended(2)] == ids[:0:-1]


@pytest.mark.parametrize("ending", [UploadState.ARCHIVED, UploadState.FAILED])
def test_uploads_end_at_times_in_the_order_in_which_they_end(server, root, upload, manifest, clock, ending):
    """Pings are sent up to the last time seen: one that ended before it and was written after it would be lost."""

    class WatchedClock(FixedClock):
        def now(self):
            is_in_transaction = is_locked(root / "state" / "state.lock")
            return super().now() + timedelta(hours=is_in_transaction)

    server.uploads.complete(upload.id, manifest, "alice")
    server.close_slots()
    uploads = Uploads(server.store, WatchedClock(clock.now()), server.spool)
    if ending is UploadState.ARCHIVED:
        ended = uploads.mark_archived(upload.id, 1)
    else:
        ended = uploads.end(upload.id, ending, "no space", "service")

    assert ended.ended_at == clock.now() + timedelta(hours=1)
