"""The account's lock follows the slot's state, whatever comes between."""

from __future__ import annotations

import threading

import pytest

from thaniya_core.errors import CommandFailed, NoSpace
from thaniya_core.model import SlotState, UploadState
from thaniya_core.slots import SlotLocks

DEADLINE_S = 30.0


class _Accounts:
    """Tells what is done to the accounts, and lets an unlock take as long as a test wants."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.has_begun = threading.Event()
        self.may_end = threading.Event()

    def unlock(self, slot: str) -> None:
        self.has_begun.set()
        assert self.may_end.wait(DEADLINE_S)
        self.done.append(f"unlock {slot}")

    def lock(self, slot: str) -> None:
        self.done.append(f"lock {slot}")


@pytest.fixture
def accounts():
    return _Accounts()


@pytest.fixture
def make_locks(server, accounts, tmp_path):
    """Each is a process of its own, as far as the kernel's locks are concerned."""
    return lambda: SlotLocks(server.store, accounts, tmp_path / "locks")


def test_slot_is_unlocked_for_the_upload_that_holds_it(make_locks, accounts, open_upload):
    upload = open_upload()
    accounts.may_end.set()

    make_locks().unlock_for(upload.slot, upload.id)

    assert accounts.done == [f"unlock {upload.slot}"]


def test_upload_that_has_ended_before_unlocks_nothing(server, make_locks, accounts, open_upload):
    first = open_upload()
    server.abort_upload(first.id, "", "alice")

    make_locks().unlock_for(first.slot, first.id)

    assert accounts.done == []


def test_upload_that_has_ended_unlocks_nothing_for_the_next_one(server, make_locks, accounts, open_upload):
    first = open_upload()
    server.abort_upload(first.id, "", "alice")
    while open_upload().slot != first.slot:
        pass

    make_locks().unlock_for(first.slot, first.id)

    assert accounts.done == []


def test_lock_comes_after_an_unlock_that_has_begun(server, make_locks, accounts, open_upload):
    upload = open_upload()
    unlocking = threading.Thread(target=make_locks().unlock_for, args=(upload.slot, upload.id))
    unlocking.start()
    assert accounts.has_begun.wait(DEADLINE_S)
    server.uploads.abort(upload.id, "", "alice")
    locking = threading.Thread(target=make_locks().lock, args=(upload.slot,))
    locking.start()
    locking.join(0.05)
    assert (locking.is_alive(), accounts.done) == (True, [])

    accounts.may_end.set()
    unlocking.join(DEADLINE_S)
    locking.join(DEADLINE_S)

    assert accounts.done == [f"unlock {upload.slot}", f"lock {upload.slot}"]


def test_other_slots_do_not_wait(make_locks, accounts, open_upload):
    upload, other = open_upload(), open_upload()
    unlocking = threading.Thread(target=make_locks().unlock_for, args=(upload.slot, upload.id))
    unlocking.start()
    assert accounts.has_begun.wait(DEADLINE_S)

    make_locks().lock(other.slot)

    assert accounts.done == [f"lock {other.slot}"]
    accounts.may_end.set()
    unlocking.join(DEADLINE_S)


def test_upload_whose_account_cannot_be_unlocked_is_given_up_and_its_slot_is_free_again(server, alice, monkeypatch):
    def fails(slot):
        raise CommandFailed("sudo asks for a terminal")

    monkeypatch.setattr(server.accounts, "unlock", fails)

    with pytest.raises(CommandFailed):
        server.allocator.allocate("alice", "web1", "nightly", None, "", "alice")

    server.close_slots()
    (upload,) = server.uploads.list_ended(9)
    assert (upload.state, "sudo asks" in upload.reason) == (UploadState.ABORTED, True)
    assert {slot.state for slot in server.slots.all()} == {SlotState.READY}
    assert [(event.ok, event.subject) for event in server.events() if event.action == "upload.open"] == [
        (False, upload.id)
    ]


def test_ended_upload_that_could_not_be_put_away_is_put_away_later(server, open_upload, monkeypatch):
    def fails(record):
        raise NoSpace("the disk is full")

    upload = open_upload()
    with monkeypatch.context() as patch:
        patch.setattr(server.store, "add_history", fails)
        with pytest.raises(NoSpace):
            server.abort_upload(upload.id, "no", "alice")
            server.close_slots()
    server.close_slots()

    server.watch_uploads(remembers=True)

    assert server.store.read().uploads.all() == []
    assert [ended.id for ended in server.uploads.list_ended(9)] == [upload.id]
