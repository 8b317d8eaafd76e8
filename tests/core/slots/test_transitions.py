"""The state machines of uploads and slots, and that both fit together whatever is done to a server."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from thaniya_core.errors import NoFreeSlot, NoSpace, ThaniyaError, TooManyUploads, WrongState
from thaniya_core.initialise import initialise
from thaniya_core.model import JobState, Slot, SlotState, Upload, UploadState
from thaniya_core.server import open_server
from thaniya_core.slots import transitions
from thaniya_core.testing import FixedClock

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
LONG_S = 60.0
SLOT_CHANGES = {
    "take": (lambda slot: transitions.take_slot(slot, "id", NOW), {SlotState.READY}, SlotState.TAKEN),
    "close": (transitions.close_slot, {SlotState.TAKEN, SlotState.CLOSING}, SlotState.CLOSING),
    "degrade": (lambda slot: transitions.degrade_slot(slot, "why"), {SlotState.CLOSING}, SlotState.DEGRADED),
    "free": (transitions.free_slot, {SlotState.CLOSING}, SlotState.READY),
    "disable": (
        lambda slot: transitions.disable_slot(slot, "why"),
        {SlotState.READY, SlotState.DISABLED, SlotState.DEGRADED},
        SlotState.DISABLED,
    ),
    "enable": (transitions.enable_slot, {SlotState.DISABLED}, SlotState.CLOSING),
    "reset": (transitions.reset_slot, {SlotState.DEGRADED}, SlotState.CLOSING),
}
UPLOAD_CHANGES = {
    "complete": (
        lambda upload: transitions.complete_upload(upload, "digest", NOW),
        {UploadState.OPEN},
        UploadState.CLOSING,
    ),
    "end": (
        lambda upload: transitions.end_upload(upload, UploadState.EXPIRED, "why"),
        {UploadState.OPEN},
        UploadState.CLOSING,
    ),
    "spool": (lambda upload: transitions.spool_upload(upload, 1, 2), {UploadState.CLOSING}, UploadState.SPOOLED),
    "archive": (lambda upload: transitions.archive_upload(upload, 2, NOW), {UploadState.SPOOLED}, UploadState.ARCHIVED),
    "finish": (
        lambda upload: transitions.finish_upload(upload, UploadState.REJECTED, "why", NOW),
        {UploadState.CLOSING, UploadState.SPOOLED, UploadState.FAILED},
        UploadState.REJECTED,
    ),
    "revive": (transitions.revive_upload, {UploadState.FAILED}, UploadState.SPOOLED),
}


@pytest.mark.parametrize(("name", "state"), itertools.product(SLOT_CHANGES, SlotState))
def test_slot_changes_only_from_the_states_that_allow_it(name, state):
    change, allowed, after = SLOT_CHANGES[name]
    slot = Slot("thaniya_01", state)

    if state in allowed:
        assert change(slot).state is after
    else:
        with pytest.raises((WrongState, NoFreeSlot), match="thaniya_01"):
            change(slot)


@pytest.mark.parametrize(("name", "state"), itertools.product(UPLOAD_CHANGES, UploadState))
def test_upload_changes_only_from_the_states_that_allow_it(name, state):
    change, allowed, after = UPLOAD_CHANGES[name]
    upload = Upload("id", "alice", "web1", "nightly", "thaniya_01", NOW, NOW, state=state)

    if state in allowed:
        assert change(upload).state is after
    else:
        with pytest.raises(WrongState, match=f"the upload id is {state}"):
            change(upload)


@pytest.mark.parametrize("ending", UploadState)
def test_upload_without_a_backup_ends_in_no_other_state_than_these(ending):
    upload = Upload("id", "alice", "web1", "nightly", "thaniya_01", NOW, NOW)
    closing = replace(upload, state=UploadState.CLOSING)

    if ending in (UploadState.ABORTED, UploadState.EXPIRED, UploadState.REJECTED, UploadState.FAILED):
        assert transitions.end_upload(upload, ending, "why").ending is ending
        assert transitions.finish_upload(closing, ending, "why", NOW).state is ending
    else:
        with pytest.raises(WrongState, match=f"cannot end {ending}"):
            transitions.end_upload(upload, ending, "why")
        with pytest.raises(WrongState, match=f"cannot end {ending}"):
            transitions.finish_upload(closing, ending, "why", NOW)


def test_upload_that_gets_on_forgets_why_it_was_held_up():
    upload = Upload(
        "id", "alice", "web1", "nightly", "thaniya_01", NOW, NOW, state=UploadState.CLOSING, reason="the disk was full"
    )

    assert transitions.spool_upload(upload, 1, 2).reason == ""


def test_slot_that_is_reopened_forgets_its_upload_and_why_it_was_out_of_use():
    slot = Slot("thaniya_01", SlotState.DEGRADED, "id", "cannot be cleaned", NOW)

    for closing in (
        transitions.reset_slot(slot),
        transitions.enable_slot(transitions.disable_slot(slot, "by the administrator")),
    ):
        assert closing == Slot("thaniya_01", SlotState.CLOSING, None, "", NOW)
        assert transitions.free_slot(closing) == Slot("thaniya_01", SlotState.READY, None, "", NOW)


def test_slot_that_is_being_cleaned_is_not_disabled_and_no_upload_is_blamed():
    with pytest.raises(WrongState, match="it is being cleaned"):
        transitions.disable_slot(Slot("thaniya_01", SlotState.CLOSING), "why")


def test_slot_keeps_when_it_was_taken_last():
    taken = transitions.take_slot(Slot("thaniya_01"), "id", NOW)

    assert transitions.free_slot(transitions.close_slot(taken)).taken_at == NOW


def test_retried_upload_forgets_its_volume():
    upload = Upload(
        "id", "alice", "web1", "nightly", "thaniya_01", NOW, NOW, state=UploadState.FAILED, ended_at=NOW, volume="gone"
    )

    revived = transitions.revive_upload(upload)

    assert (revived.volume, revived.ended_at, revived.reason) == ("", None, "")


class ServerMachine(RuleBasedStateMachine):
    """A server with two slots to which clients, an administrator, time and crashes happen in any order."""

    uploads = st.integers(0, 5)

    @initialize()
    def make(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        initialise(self.directory / "server", "login:test", slots=2)
        with (self.directory / "server" / "thaniya.toml").open("a") as file:
            file.write("attempts = 2\nfirst_delay = 0\n")
        self.volume = self.directory / "server" / "volume"
        self.clock = FixedClock()
        self.reopen()
        self.server.users.add("alice", [], "login:test", max_uploads=3)
        self.ids: list[str] = []
        self.archived: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    def reopen(self) -> None:
        self.server = open_server(self.directory / "server" / "thaniya.toml", self.clock)
        self.server.recover()

    def some_id(self, number: int) -> str | None:
        return self.ids[number % len(self.ids)] if self.ids else None

    @rule(is_legal=st.booleans())
    def allocate(self, is_legal: bool) -> None:
        try:
            upload = self.server.allocator.allocate("alice", "web1", "nightly", None, "", "alice")
        except (NoFreeSlot, NoSpace, TooManyUploads):
            return
        self.ids.append(upload.id)
        (self.server.accounts.directory(upload.slot) / ("file" if is_legal else "not legal")).write_text(upload.id)

    @rule(number=uploads)
    def complete(self, number: int) -> None:
        self.attempt(number, lambda upload_id: self.server.uploads.complete(upload_id, None, "alice"))

    @rule(number=uploads)
    def abort(self, number: int) -> None:
        """As `Server.abort_upload` does it, but for closing the slot, which is a step of its own here."""

        def abort(upload_id: str) -> None:
            self.server.uploads.abort(upload_id, "", "alice")
            self.server.jobs.drop(upload_id)

        self.attempt(number, abort)

    @rule(number=uploads, ending=st.sampled_from([UploadState.EXPIRED, UploadState.REJECTED]))
    def end(self, number: int, ending: UploadState) -> None:
        self.attempt(number, lambda upload_id: self.server.uploads.end_open(upload_id, ending, "why", "service"))

    @rule()
    def close(self) -> None:
        self.server.close_slots()

    @rule()
    def work(self) -> None:
        while self.server.worker.run_due():
            assert self.server.worker.drain(LONG_S)
        self.archived |= {backup.id for backup in self.server.catalog.find()}

    @rule()
    def restart(self) -> None:
        self.reopen()

    @rule(
        name=st.sampled_from(["thaniya_01", "thaniya_02"]),
        verb=st.sampled_from(["disable", "enable", "reset"]),
        is_carried_on=st.booleans(),
    )
    def administrate(self, name: str, verb: str, is_carried_on: bool) -> None:
        try:
            if is_carried_on and verb != "disable":
                getattr(self.server, f"{verb}_slot")(name, "login:test")
            else:
                getattr(self.server.slots, verb)(name, "login:test")
        except WrongState:
            pass

    @rule()
    def take_the_volume_away_or_bring_it_back(self) -> None:
        away = self.directory / "away"
        if self.volume.exists():
            self.volume.rename(away)
        else:
            away.rename(self.volume)

    @rule()
    def retry_jobs(self) -> None:
        for job in self.server.jobs.waiting():
            self.server.retry_job(job.id, "login:test")

    @rule(seconds=st.integers(0, 1000), set_by=st.integers(-1000, 1000))
    def time(self, seconds: int, set_by: int) -> None:
        self.clock.advance(seconds)
        self.clock.set_wall_clock(timedelta(seconds=set_by))

    def attempt(self, number: int, change) -> None:
        upload_id = self.some_id(number)
        if upload_id is not None:
            try:
                change(upload_id)
            except ThaniyaError as error:
                assert isinstance(error, WrongState)

    @invariant()
    def slots_and_uploads_fit_together(self) -> None:
        if not hasattr(self, "server"):
            return
        state = self.server.store.read()
        holding = {slot.name: slot.upload_id for slot in state.slots.all() if slot.state is SlotState.TAKEN}
        assert holding == {upload.slot: upload.id for upload in state.uploads.all() if upload.state is UploadState.OPEN}
        closing = {slot.upload_id for slot in state.slots.all() if slot.state is SlotState.CLOSING}
        assert {upload.id for upload in state.uploads.all() if upload.state is UploadState.CLOSING} <= closing
        for slot in state.slots.all():
            if slot.state is SlotState.READY:
                assert slot.upload_id is None
                assert list(self.server.accounts.directory(slot.name).iterdir()) == []
        jobs = {(job.subject, job.state is JobState.FAILED) for job in state.jobs.all()}
        ended_here = (UploadState.SPOOLED, UploadState.FAILED)
        assert jobs == {
            (upload.id, upload.state is UploadState.FAILED)
            for upload in state.uploads.all()
            if upload.state in ended_here
        }
        backups = {backup.id for backup in self.server.catalog.find()}
        assert self.archived <= backups
        ended = {upload.id: upload.state for upload in self.server.uploads.list_ended(999)}
        assert {upload_id for upload_id, state in ended.items() if state is UploadState.ARCHIVED} == backups
        assert set(self.ids) == set(ended) | {upload.id for upload in state.uploads.all()}


TestServerMachine = ServerMachine.TestCase
TestServerMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
