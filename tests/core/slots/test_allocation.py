"""Whether an upload is let in, and into which slot."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.config import Seconds, Size, SlotLimits
from thaniya_core.errors import (
    IllegalName,
    NoFreeSlot,
    NoSpace,
    NotAllowed,
    OverQuota,
    ThaniyaError,
    TooManyUploads,
    UserDisabled,
)
from thaniya_core.model import Slot, SlotState, Upload, UploadState, User, check_admitted
from thaniya_core.slots.allocation import (
    ALLOWANCE_BYTES,
    Allocator,
    Space,
    allow_bytes,
    check_may_upload,
    check_space,
    choose_slot,
    reserve_bytes,
)
from thaniya_core.system.run import Process

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
GIB = 1024**3
LIMITS = SlotLimits(silence=Seconds(900), margin=Size(GIB), assumed=Size(2 * GIB))
LONG_S = 60.0


def _user(**limits: object) -> User:
    return User("alice", NOW, **limits)


def _upload(state: UploadState = UploadState.OPEN, reserved: int = 0, received: int = 0, user: str = "alice") -> Upload:
    return Upload(
        "20261123T211500Z-000001",
        user,
        "web1",
        "nightly",
        "thaniya_01",
        NOW,
        NOW,
        state=state,
        reserved_bytes=reserved,
        received_bytes=received,
    )


@pytest.mark.parametrize(("expected", "reserved"), [(None, 2 * GIB), (0, 0), (100, 111), (10 * GIB, 11 * GIB)])
def test_a_tenth_more_than_expected_is_reserved(expected, reserved):
    assert reserve_bytes(expected, LIMITS) == reserved


def test_disabled_user_is_refused():
    with pytest.raises(UserDisabled, match="alice is disabled"):
        check_admitted(_user(enabled=False), "alice")


@pytest.mark.parametrize("state", [UploadState.OPEN, UploadState.CLOSING])
def test_user_with_as_many_uploads_as_allowed_is_refused(state):
    with pytest.raises(TooManyUploads, match=r"alice has 2 of 2 uploads open: 20261123T211500Z-000001"):
        check_may_upload(_user(max_uploads=2), None, 0, [_upload(state)] * 2)


def test_uploads_that_left_their_slot_and_those_of_others_do_not_count():
    check_may_upload(_user(max_uploads=1), None, 0, [_upload(UploadState.SPOOLED), _upload(user="bob")])


@pytest.mark.parametrize(
    ("quota", "expected", "archived", "uploads"),
    [
        (100, 101, 0, []),
        (100, None, 100, []),
        (0, None, 0, []),
        (100, 41, 60, []),
        (100, 10, 60, [_upload(reserved=31)]),
        (100, 10, 60, [_upload(reserved=0, received=31)]),
        (100, 10, 60, [_upload(UploadState.SPOOLED, reserved=0, received=31)]),
    ],
)
def test_upload_over_the_quota_is_refused(quota, expected, archived, uploads):
    with pytest.raises(OverQuota, match="left of a quota of"):
        check_may_upload(_user(quota_bytes=quota, max_uploads=9), expected, archived, uploads)


@pytest.mark.parametrize(
    ("quota", "expected", "archived", "uploads"),
    [
        (100, 100, 0, []),
        (100, None, 99, []),
        (None, 10**18, 10**18, []),
        (100, 40, 60, [_upload(reserved=99, user="bob")]),
        (100, 30, 40, [_upload(UploadState.SPOOLED, reserved=99, received=30)]),
    ],
)
def test_upload_within_the_quota_is_let_in(quota, expected, archived, uploads):
    check_may_upload(_user(quota_bytes=quota, max_uploads=9), expected, archived, uploads)


@pytest.mark.parametrize(
    ("quota", "expected", "allowed"),
    [
        (None, None, None),
        (None, 100, 111 + ALLOWANCE_BYTES),
        (50, None, 50 - 10 - 15),
        (50, 100, 50 - 10 - 15),
        (20, None, 0),
    ],
)
def test_upload_may_bring_what_it_expects_and_the_quota_allows(quota, expected, allowed):
    assert allow_bytes(_user(quota_bytes=quota), expected, 10, [_upload(reserved=15)]) == allowed


@given(st.integers(0, 2**50), st.integers(0, 2**50), st.integers(0, 2**50), st.integers(0, 2**50))
def test_space_that_was_promised_is_not_promised_twice(reserved, free, promised, received):
    space = Space(free, 2**60)
    usable = free - max(0, promised - received) - LIMITS.margin

    try:
        check_space(reserved, space, [_upload(reserved=promised, received=received)], LIMITS)
    except NoSpace as error:
        assert reserved > usable
        assert "are needed and" in error.message
    else:
        assert reserved <= usable


def test_only_open_uploads_have_something_to_come():
    closing = [_upload(state, reserved=50 * GIB) for state in UploadState if state is not UploadState.OPEN]

    check_space(GIB, Space(2 * GIB, GIB), closing, LIMITS)


def test_no_volume_is_told():
    with pytest.raises(NoSpace, match="no active volume"):
        check_space(0, Space(9 * GIB, None), [], LIMITS)


def test_full_volumes_are_told():
    with pytest.raises(NoSpace, match=r"2\.0 GiB are needed, and the emptiest volume has 1\.0 GiB"):
        check_space(2 * GIB, Space(9 * GIB, GIB), [], LIMITS)


def test_what_is_on_its_way_needs_its_space_on_a_volume_elsewhere():
    on_their_way = [
        _upload(reserved=2 * GIB, received=GIB),
        _upload(reserved=GIB, received=3 * GIB),
        _upload(UploadState.SPOOLED, reserved=9 * GIB, received=GIB),
    ]
    elsewhere = Space(99 * GIB, 10 * GIB, volume_is_elsewhere=True)

    check_space(4 * GIB, elsewhere, on_their_way, LIMITS)
    check_space(10 * GIB, replace(elsewhere, volume_is_elsewhere=False), on_their_way, LIMITS)
    with pytest.raises(NoSpace, match=r"the emptiest volume has 4\.0 GiB"):
        check_space(4 * GIB + 1, elsewhere, on_their_way, LIMITS)


def test_volume_that_is_promised_more_than_it_has_is_shown_as_full():
    with pytest.raises(NoSpace, match="the emptiest volume has 0 B"):
        check_space(1, Space(99 * GIB, GIB, volume_is_elsewhere=True), [_upload(reserved=2 * GIB)], LIMITS)


def _slots(*states: SlotState) -> list[Slot]:
    return [Slot(f"thaniya_{number:02}", state) for number, state in enumerate(states, 1)]


READY, TAKEN = SlotState.READY, SlotState.TAKEN


@pytest.mark.parametrize(
    ("states", "taken_ago_s", "chosen"),
    [
        ([READY, READY, READY], [None, None, None], "thaniya_01"),
        ([READY, READY, READY], [10, None, None], "thaniya_02"),
        ([READY, READY, READY], [30, 20, 10], "thaniya_01"),
        ([READY, READY, READY], [10, 30, 20], "thaniya_02"),
        ([READY, READY, READY], [20, 10, 20], "thaniya_01"),
        ([READY, TAKEN, READY], [10, None, 20], "thaniya_03"),
        ([READY, TAKEN, TAKEN], [10, 30, 20], "thaniya_01"),
    ],
)
def test_slot_that_is_unused_for_longest_is_chosen(states, taken_ago_s, chosen):
    slots = [
        replace(slot, taken_at=None if ago is None else NOW - timedelta(seconds=ago))
        for slot, ago in zip(_slots(*states), taken_ago_s, strict=True)
    ]

    assert choose_slot(slots).name == chosen


def test_no_free_slot_tells_how_many_are_taken_and_out_of_use():
    with pytest.raises(NoFreeSlot, match="no free slot: 2 of 4 taken, 2 out of use"):
        choose_slot(_slots(TAKEN, SlotState.CLOSING, SlotState.DEGRADED, SlotState.DISABLED))


def test_upload_gets_a_slot_of_its_own(server, open_upload, clock):
    first, second = open_upload(100), open_upload()

    assert [first.slot, second.slot] == ["thaniya_01", "thaniya_02"]
    assert [(slot.state, slot.upload_id) for slot in server.slots.all()] == [(TAKEN, first.id), (TAKEN, second.id)]
    assert {slot.taken_at for slot in server.slots.all()} == {clock.now()}
    assert (first.reserved_bytes, first.allowed_bytes, first.created_at) == (111, 111 + ALLOWANCE_BYTES, clock.now())
    assert server.upload_in("thaniya_01") == first.id


def test_slots_are_used_one_after_another_also_when_each_upload_comes_to_a_new_process(alice, reopen, clock):
    used = []
    for _ in range(4):
        server = reopen()
        upload = server.allocator.allocate("alice", "web1", "nightly", None, "", "alice")
        used.append(upload.slot)
        server.abort_upload(upload.id, "", "alice")
        clock.advance(1)

    assert used == ["thaniya_01", "thaniya_02", "thaniya_01", "thaniya_02"]


def test_disk_that_hangs_holds_nothing_else_up(server, alice, clock):
    is_mended = threading.Event()

    def hangs() -> Space:
        assert is_mended.wait(LONG_S)
        return Space(99 * GIB, 99 * GIB)

    allocator = Allocator(server.store, clock, server.slot_locks, LIMITS, hangs, server.catalog.user_bytes)
    found: list[Upload] = []
    waiting = threading.Thread(
        target=lambda: found.append(allocator.allocate("alice", "web1", "nightly", None, "", "alice"))
    )
    waiting.start()
    with server.store.transaction() as state:
        state.slots.put(replace(state.slots.get("thaniya_01"), state=SlotState.DISABLED))
    assert found == []
    is_mended.set()
    waiting.join(LONG_S)

    assert [upload.slot for upload in found] == ["thaniya_02"]


def test_upload_that_moves_into_the_archive_cannot_do_so_while_the_backups_are_counted(server, alice, clock):
    may_not_be_seen = threading.Event()
    others: list[threading.Thread] = []

    def change() -> None:
        with server.store.transaction():
            may_not_be_seen.set()

    def count(_: str) -> int:
        others.append(threading.Thread(target=change))
        others[0].start()
        assert not may_not_be_seen.wait(0.05)
        return 0

    allocator = Allocator(server.store, clock, server.slot_locks, LIMITS, lambda: Space(99 * GIB, 99 * GIB), count)
    upload = allocator.allocate("alice", "web1", "nightly", None, "", "alice")
    others[0].join(LONG_S)

    assert upload.state is UploadState.OPEN
    assert may_not_be_seen.is_set()


def test_space_of_a_volume_on_another_file_system_is_not_promised_twice(server, root, small_disk, alice):
    assert server.volumes.all_beside(server.config.paths.slots)
    disk = small_disk(root / "small", "6m")
    (root / "volume" / "volume.json").unlink()
    server.volumes.add(disk, "small", "login:root")

    server.allocator.allocate("alice", "web1", "a", 4_000_000, "", "alice")

    assert not server.volumes.all_beside(server.config.paths.slots)
    with pytest.raises(NoSpace, match="the emptiest volume has"):
        server.allocator.allocate("alice", "web1", "b", 4_000_000, "", "alice")


@pytest.mark.parametrize("series", [("-web", "a"), ("web1", "../a"), ("", "a")])
def test_illegal_series_gets_no_slot(server, alice, series):
    with pytest.raises(IllegalName):
        server.allocator.allocate("alice", *series, None, "", "alice")
    assert server.upload_in("thaniya_01") is None


def test_user_that_is_not_there_is_refused_and_noted(server):
    with pytest.raises(NotAllowed):
        server.allocator.allocate("mallory", "web1", "a", None, "", "mallory@192.0.2.1")

    event = list(server.store.read_events())[-1]
    assert (event.actor, event.action, event.ok) == ("mallory@192.0.2.1", "upload.open", False)


def test_client_that_waits_for_its_turn_leaves_no_trace_of_each_try(server, make_user):
    make_user("bob", max_uploads=1)
    server.allocator.allocate("bob", "web1", "a", None, "", "bob")
    make_user("alice", max_uploads=9)
    server.allocator.allocate("alice", "web1", "a", None, "", "alice")
    before = list(server.events())

    for user, kind in (("alice", NoFreeSlot), ("bob", TooManyUploads)):
        with pytest.raises(kind):
            server.allocator.allocate(user, "web1", "a", None, "", user)

    assert list(server.events()) == before


def test_refusal_changes_nothing(server, make_user):
    make_user("alice", quota_bytes=5)

    with pytest.raises(OverQuota):
        server.allocator.allocate("alice", "web1", "a", 6, "", "alice")
    assert server.uploads.list_on_their_way() == []
    assert server.upload_in("thaniya_01") is None


def test_archived_backups_count_against_the_quota(server, make_user):
    make_user("alice", quota_bytes=20)
    upload = server.allocator.allocate("alice", "web1", "a", 15, "", "alice")
    (server.accounts.directory(upload.slot) / "a").write_bytes(b"x" * 15)
    server.uploads.complete(upload.id, None, "alice")
    server.close_slots()
    server.worker.run_due()
    assert server.worker.drain(LONG_S)

    with pytest.raises(OverQuota, match="5 B left of a quota of 20 B, and 6 B are to come"):
        server.allocator.allocate("alice", "web1", "a", 6, "", "alice")


def test_last_slot_goes_to_one_of_two_threads(server, open_upload, in_threads):
    for _ in range(5):
        held = open_upload()

        results = in_threads(open_upload, open_upload)

        winners = [result for result in results if isinstance(result, Upload)]
        assert [type(result) for result in results if result not in winners] == [NoFreeSlot]
        for upload in [held, *winners]:
            server.abort_upload(upload.id, "", "alice")


SCRIPT = """
import sys
from pathlib import Path
from thaniya_core.errors import NoFreeSlot
from thaniya_core.server import open_server

server = open_server(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    print(server.allocator.allocate("alice", "web1", "nightly", None, "", "alice").slot)
except NoFreeSlot:
    print("none")
"""


def test_last_slot_goes_to_one_of_two_processes(root: Path, open_upload):
    open_upload()
    command = [sys.executable, "-c", SCRIPT, str(root / "thaniya.toml")]

    with (
        Process(command, timeout_s=LONG_S, stdin=True, stdout=True) as one,
        Process(command, timeout_s=LONG_S, stdin=True, stdout=True) as two,
    ):
        for process in (one, two):
            assert process.stdout.readline() == b"ready\n"
        for process in (one, two):
            process.stdin.write(b"go\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in (one, two)]
        for process in (one, two):
            process.check()

    assert sorted(answers) == [b"none\n", b"thaniya_02\n"]


def test_every_refusal_is_one_of_ours(server, open_upload):
    open_upload()
    open_upload()

    with pytest.raises(ThaniyaError, match="no free slot: 2 of 2 taken"):
        open_upload()
