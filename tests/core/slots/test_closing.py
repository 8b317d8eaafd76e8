"""Closing a slot: what goes to the spool, what is rejected, and what happens when a step fails."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from pathlib import Path

import pytest

from thaniya_core.errors import NotAllowed, WrongState
from thaniya_core.model import SlotState, UploadState
from thaniya_core.system.run import run

DEADLINE_S = 30.0


@pytest.fixture
def upload(open_upload):
    return open_upload(1000)


def _close(server, upload):
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()
    return server.uploads.get(upload.id)


def _slot(server, upload):
    return server.slots.get(upload.slot)


def test_files_go_to_the_spool_and_the_slot_is_ready_again(server, upload, put_file):
    put_file(upload, "a", b"12345")

    spooled = _close(server, upload)

    assert (spooled.state, spooled.received_files, spooled.received_bytes) == (UploadState.SPOOLED, 1, 5)
    assert (server.spool.data(upload.id) / "a").read_bytes() == b"12345"
    assert _slot(server, upload).state is SlotState.READY
    assert [job.subject for job in server.jobs.waiting()] == [upload.id]


ODD = {
    "link": lambda path: path.symlink_to("/etc/passwd"),
    "directory": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "a name?": lambda path: path.touch(),
}


@pytest.mark.parametrize("name", ODD)
def test_upload_with_anything_but_plain_files_is_rejected_with_its_reason(server, upload, put_file, name):
    put_file(upload, "good", b"good")
    ODD[name](server.accounts.directory(upload.slot) / name)

    ended = _close(server, upload)

    assert ended.state is UploadState.REJECTED
    assert ended.reason.startswith(f"only plain files with legal names are taken: {name!r} ")
    assert _slot(server, upload).state is SlotState.READY
    assert list(server.accounts.directory(upload.slot).iterdir()) == []
    assert list(server.config.paths.spool.iterdir()) == []
    assert server.jobs.waiting() == []


def test_reason_shows_a_few_of_many_refusals(server, upload):
    for number in range(9):
        (server.accounts.directory(upload.slot) / f"link{number}").symlink_to("x")

    assert _close(server, upload).reason.count("symbolic link") == 5
    assert server.uploads.get(upload.id).reason.endswith("; and 4 more")


def test_name_that_is_no_text_is_refused_and_its_reason_kept(server, upload):
    Path(os.fsdecode(os.fsencode(server.accounts.directory(upload.slot)) + b"/\xff\n")).touch()

    assert "'\\udcff\\n' has a name that is not legal" in _close(server, upload).reason


def test_empty_upload_is_rejected(server, upload):
    ended = _close(server, upload)

    assert (ended.state, ended.reason) == (UploadState.REJECTED, "no file was uploaded")


def test_upload_larger_than_allowed_is_rejected(server, upload, put_file):
    os.truncate(put_file(upload, "a", b""), upload.allowed_bytes + 1)

    ended = _close(server, upload)

    assert ended.state is UploadState.REJECTED
    assert "were allowed" in ended.reason


def test_upload_that_ends_without_a_backup_loses_its_files(server, upload, put_file):
    put_file(upload, "a", b"12345")
    server.uploads.end_open(upload.id, UploadState.EXPIRED, "nothing came", "service")

    server.close_slots()

    assert server.uploads.get(upload.id).state is UploadState.EXPIRED
    assert _slot(server, upload).state is SlotState.READY
    assert list(server.accounts.directory(upload.slot).iterdir()) == []
    assert list(server.config.paths.spool.iterdir()) == []


def test_slot_that_cannot_be_emptied_yet_keeps_the_reason_and_is_tried_again(
    server, upload, put_file, clock, monkeypatch
):
    put_file(upload, "a", b"a")

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/spool")

    with monkeypatch.context() as patch:
        patch.setattr(server.accounts, "collect", fails)
        waiting = _close(server, upload)
    clock.advance(1)
    server.close_slots()

    assert waiting.state is UploadState.CLOSING
    assert "No space left on device" in waiting.reason
    spooled = server.uploads.get(upload.id)
    assert (spooled.state, spooled.reason) == (UploadState.SPOOLED, "")


def test_slot_that_cannot_be_emptied_is_tried_less_and_less_often(server, upload, put_file, clock, monkeypatch):
    put_file(upload, "a", b"a")
    tries = []

    def fails(*_: object) -> None:
        tries.append(clock.monotonic())
        raise OSError(errno.ENOSPC, "No space left on device", "/spool")

    monkeypatch.setattr(server.accounts, "collect", fails)
    server.uploads.complete(upload.id, None, "alice")
    for _ in range(600):
        server.close_slots()
        clock.advance(0.5)

    waits = [round(later - earlier) for earlier, later in itertools.pairwise(tries)]
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_one_slot_that_cannot_be_closed_keeps_no_other_waiting(server, open_upload, put_file, monkeypatch):
    first, second = open_upload(), open_upload()
    real = server.accounts.collect

    def fails(slot: str, into: Path) -> object:
        if slot == first.slot:
            raise OSError(errno.EIO, "Input/output error")
        return real(slot, into)

    monkeypatch.setattr(server.accounts, "collect", fails)
    for upload in (first, second):
        put_file(upload, "a", b"a")
        server.uploads.complete(upload.id, None, "alice")

    server.close_slots()

    assert server.uploads.get(first.id).state is UploadState.CLOSING
    assert server.uploads.get(second.id).state is UploadState.SPOOLED


def test_full_disk_of_the_spool_is_waited_for(server, upload, put_file, root, small_disk, clock):
    spool = small_disk(root / "spool", "1m")
    filler = spool / "filler"
    filler.write_bytes(b"x" * 900_000)
    put_file(upload, "a", b"a" * 500_000)

    waiting = _close(server, upload)
    filler.unlink()
    clock.advance(1)
    server.close_slots()

    assert waiting.state is UploadState.CLOSING
    assert "No space left on device" in waiting.reason
    assert server.uploads.get(upload.id).state is UploadState.SPOOLED
    assert (server.spool.data(upload.id) / "a").read_bytes() == b"a" * 500_000


def test_slot_that_cannot_be_cleaned_is_degraded_until_it_is_reset(server, upload, put_file, open_upload, small_disk):
    put_file(upload, "a", b"a")
    mounted = small_disk(server.accounts.directory(upload.slot) / "mounted", "1m")

    _close(server, upload)

    degraded = _slot(server, upload)
    assert degraded.state is SlotState.DEGRADED
    assert "cannot be cleaned" in degraded.reason
    assert open_upload().slot != upload.slot
    with pytest.raises(WrongState, match="is degraded: cannot be cleaned"):
        server.reset_slot(upload.slot, "login:root")
    assert _slot(server, upload).state is SlotState.DEGRADED
    run(["umount", str(mounted)], timeout_s=30)
    assert server.reset_slot(upload.slot, "login:root").state is SlotState.READY


def test_degraded_slot_is_ready_after_a_reset(server, upload, put_file, monkeypatch):
    put_file(upload, "a", b"a")

    def fails(_: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(server.accounts, "clean", fails)
        spooled = _close(server, upload)

    assert spooled.state is UploadState.SPOOLED
    assert _slot(server, upload).state is SlotState.DEGRADED
    assert server.reset_slot(upload.slot, "login:root").state is SlotState.READY
    assert (_slot(server, upload).upload_id, _slot(server, upload).reason) == (None, "")


def test_reset_slot_is_clean_before_it_takes_an_upload(server, upload, put_file, monkeypatch):
    def fails(_: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(server.accounts, "clean", fails)
        server.abort_upload(upload.id, "", "alice")
    left = put_file(upload, "left behind", b"of alice")

    assert server.slots.reset(upload.slot, "login:root").state is SlotState.CLOSING
    assert left.exists()
    server.close_slots()

    assert not left.exists()
    assert _slot(server, upload).state is SlotState.READY


def test_reset_that_was_interrupted_is_carried_on_at_the_next_start(server, upload, reopen, monkeypatch):
    def fails(_: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(server.accounts, "clean", fails)
        server.abort_upload(upload.id, "", "alice")
    server.slots.reset(upload.slot, "login:root")

    restarted = reopen()
    restarted.recover()
    restarted.close_slots()

    assert _slot(restarted, upload).state is SlotState.READY


def test_slot_is_reset_by_the_service_of_another_process(server, upload, reopen, clock, monkeypatch):
    def fails(_: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(server.accounts, "clean", fails)
        server.abort_upload(upload.id, "", "alice")
    service = reopen()

    # What the service does while the one who resets waits for it.
    monkeypatch.setattr(clock, "sleep", lambda _: service.close_slots())
    with service.as_service() as is_service:
        assert is_service
        slot = server.reset_slot(upload.slot, "login:root")

    assert slot.state is SlotState.READY


@pytest.mark.parametrize("state", ["ready", "taken"])
def test_slot_that_is_not_degraded_is_not_reset(server, state, open_upload, put_file):
    slot = "thaniya_02"
    if state == "taken":
        open_upload()
        upload = open_upload()
        slot = upload.slot
        put_file(upload, "precious", b"data")

    with pytest.raises(WrongState, match=f"{slot} is {state}, not degraded"):
        server.slots.reset(slot, "login:root")
    if state == "taken":
        assert (server.accounts.directory(slot) / "precious").exists()


def test_slot_with_an_upload_is_not_disabled(server, upload):
    with pytest.raises(WrongState, match="an upload holds it"):
        server.slots.disable(upload.slot, "login:root")


def test_disabled_slot_takes_no_upload_until_it_is_enabled(server, open_upload):
    server.slots.disable("thaniya_01", "login:root")

    assert open_upload().slot == "thaniya_02"
    assert server.enable_slot("thaniya_01", "login:root").state is SlotState.READY


def test_enabled_slot_is_clean_before_it_takes_an_upload(server):
    server.slots.disable("thaniya_01", "login:root")
    left = server.accounts.directory("thaniya_01") / "left behind"
    left.write_bytes(b"of the administrator")

    assert server.slots.enable("thaniya_01", "login:root").state is SlotState.CLOSING
    assert left.exists()
    server.close_slots()

    assert not left.exists()
    assert server.slots.get("thaniya_01").state is SlotState.READY


def test_making_slots_again_changes_none(server, upload):
    server.slots.ensure(3)

    assert [slot.state for slot in server.slots.all()] == [SlotState.TAKEN, SlotState.READY, SlotState.READY]


def test_nothing_is_written_after_the_files_were_collected(server, upload, put_file):
    put_file(upload, "a", b"12345")
    session = server.accounts.begin(upload.slot, upload.id, lambda: None)
    is_writing, may_go_on = threading.Event(), threading.Event()
    refused = threading.Event()

    def write() -> None:
        with session.writing():
            is_writing.set()
            assert may_go_on.wait(DEADLINE_S)
            put_file(upload, "b", b"written before the end")
        try:
            with session.writing():
                put_file(upload, "c", b"too late")
        except NotAllowed:
            refused.set()

    def close() -> None:
        server.uploads.complete(upload.id, None, "alice")
        server.settle(upload)

    writer, closer = threading.Thread(target=write), threading.Thread(target=close)
    writer.start()
    assert is_writing.wait(DEADLINE_S)
    closer.start()
    while server.upload_in(upload.slot) is not None:
        threading.Event().wait(0.005)
    may_go_on.set()
    writer.join(DEADLINE_S)
    closer.join(DEADLINE_S)

    assert not closer.is_alive()
    # Whether the writer's second attempt was refused or came before the slot closed: nothing came after.
    assert refused.is_set() or (server.spool.data(upload.id) / "c").exists()
    assert sorted(path.name for path in server.spool.data(upload.id).iterdir())[:2] == ["a", "b"]
    assert list(server.accounts.directory(upload.slot).iterdir()) == []


def test_two_threads_close_a_slot_once(server, upload, put_file, in_threads):
    put_file(upload, "a", b"a")
    server.uploads.complete(upload.id, None, "alice")

    results = in_threads(*[lambda: server.settle(upload).state] * 4)

    assert results == [UploadState.SPOOLED] * 4
    assert len(server.jobs.waiting()) == 1
