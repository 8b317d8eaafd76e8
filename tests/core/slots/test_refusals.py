"""Refusals as events of the audit log."""

from __future__ import annotations

from collections import deque

import pytest

from thaniya_core.errors import NoSpace
from thaniya_core.model import Refusal, UploadState
from thaniya_core.slots.refusals import SHOWN, no_sftp_reason

DETAIL = 'open "/x" for READ: permission denied'


@pytest.fixture
def upload(open_upload):
    return open_upload()


@pytest.fixture
def refuse(server, clock):
    """Tell so many refusals in a slot."""

    def tell(upload, count=1, **changes):
        told = {"detail": DETAIL, "peer": "192.0.2.7", **changes}
        server.refusals.tell(deque([Refusal(upload.slot, told.pop("at", clock.now()), **told)] * count))

    return tell


def events(server):
    return [event for event in server.events() if event.action == "slot.refused"]


def test_refusal_is_told_in_the_name_of_the_user(server, upload, refuse):
    refuse(upload)

    (event,) = events(server)
    assert (event.actor, event.subject, event.ok) == ("alice@192.0.2.7", upload.slot, False)
    assert event.detail == f"{DETAIL} (upload {upload.id})"


def test_flood_is_capped_an_upload_at_a_time(server, upload, refuse):
    for _ in range(3):
        refuse(upload, count=SHOWN)

    told = events(server)
    assert len(told) == SHOWN + 1
    assert "more was refused" in told[-1].detail

    refuse(server.allocator.allocate("alice", "web1", "other", None, "", "alice"))
    assert len(events(server)) == SHOWN + 2


def test_refusal_that_is_heard_late_is_told_in_the_name_of_who_held_the_slot_then(
    server, make_user, upload, refuse, clock
):
    refused_at = clock.now()
    server.abort_upload(upload.id, "no", "alice")
    clock.advance(1)
    make_user("bob")
    others = [server.allocator.allocate("bob", "web1", f"n{n}", None, "", "bob") for n in range(2)]
    assert upload.slot in {other.slot for other in others}

    refuse(upload, at=refused_at)

    (event,) = events(server)
    assert (event.actor, upload.id in event.detail) == ("alice@192.0.2.7", True)


def test_refusal_in_a_slot_that_nobody_held_is_not_told(server, upload, refuse, clock):
    refuse(upload, at=upload.created_at.replace(year=2000))

    assert events(server) == []


def test_login_without_sftp_becomes_the_reason_of_an_upload_that_stays_empty(server, upload, refuse):
    refuse(upload, is_no_sftp=True)

    assert server.uploads.get(upload.id).shown_reason == no_sftp_reason(upload.slot)
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()
    ended = server.uploads.get(upload.id)
    assert (ended.state, ended.reason) == (
        UploadState.REJECTED,
        f"no file was uploaded: {no_sftp_reason(upload.slot)}",
    )


def test_login_without_sftp_is_forgotten_once_files_came(server, upload, refuse, put_file, run_jobs):
    refuse(upload, is_no_sftp=True)
    put_file(upload, "a", b"a")
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()
    run_jobs()

    ended = server.uploads.get(upload.id)
    assert (ended.state, ended.reason) == (UploadState.ARCHIVED, "")


def test_client_that_sends_by_sftp_may_ask_whether_it_can_run_commands(server, upload, refuse, clock):
    refuse(upload, is_no_sftp=True, sftp_at=clock.now())

    assert events(server) == []
    assert server.uploads.get(upload.id).shown_reason == ""


def test_login_without_sftp_changes_nothing_of_an_upload_that_is_ending(server, upload, refuse):
    server.uploads.end_open(upload.id, UploadState.REJECTED, "too large", "service")

    refuse(upload, is_no_sftp=True)
    server.close_slots()

    assert server.uploads.get(upload.id).reason == "too large"


def test_what_could_not_be_told_is_told_later(server, upload, clock, monkeypatch):
    def fails(_):
        raise NoSpace("the disk is full")

    refusals = deque(Refusal(upload.slot, clock.now(), f"{number}", "") for number in range(3))
    with monkeypatch.context() as patch:
        patch.setattr(server.store, "add_event", fails)
        with pytest.raises(NoSpace):
            server.refusals.tell(refusals)
    assert len(refusals) == 3

    server.refusals.tell(refusals)

    assert [event.detail.split()[0] for event in events(server)] == ["0", "1", "2"]
    assert not refusals


def test_sftp_session_of_an_earlier_upload_does_not_count(server, upload, refuse, clock):
    refuse(upload, is_no_sftp=True, sftp_at=upload.created_at.replace(year=2000))

    assert len(events(server)) == 1
