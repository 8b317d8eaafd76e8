"""Whether an upload is let in, and into which slot."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from thaniya_core.config import SlotLimits
from thaniya_core.errors import NoFreeSlot, NoSpace, NotAllowed, OverQuota, ThaniyaError, TooManyUploads
from thaniya_core.formats.names import Series, check_host, check_series_name, make_id
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Agreement, Event, Slot, SlotState, Upload, UploadState, User, check_admitted
from thaniya_core.slots import transitions
from thaniya_core.slots.locking import SlotLocks
from thaniya_core.store import StateTransaction, Store
from thaniya_core.system.clock import Clock

RESERVE_FACTOR = 1.1
"""What is kept free for an upload, relative to what its client expects to send."""

ALLOWANCE_BYTES = 1024 * 1024
"""What an upload may bring on top: lists, logs."""


class Space(Struct, frozen=True):
    """What is free where an upload would go, in bytes."""

    slots_bytes: int
    """On the file system of the slots."""
    volume_bytes: int | None
    """On the emptiest active volume; None when there is no active volume."""
    volume_is_elsewhere: bool = False
    """The volumes lie on another file system than the slots: what is on its way still needs its space there."""


def reserve_bytes(expected_bytes: int | None, limits: SlotLimits) -> int:
    """What is kept free for an upload that expects so much."""
    return math.ceil(expected_bytes * RESERVE_FACTOR) if expected_bytes is not None else int(limits.assumed)


def allow_bytes(user: User, expected_bytes: int | None, user_bytes: int, on_their_way: list[Upload]) -> int | None:
    """The most that an upload may bring; None for no limit but the space."""
    bounds: list[int] = []
    if expected_bytes is not None:
        bounds.append(math.ceil(expected_bytes * RESERVE_FACTOR) + ALLOWANCE_BYTES)
    if user.quota_bytes is not None:
        bounds.append(max(0, user.quota_bytes - user_bytes - _claimed_by(user, on_their_way)))
    return min(bounds) if bounds else None


def check_may_upload(user: User, expected_bytes: int | None, user_bytes: int, on_their_way: list[Upload]) -> None:
    """Check the user's own limits.

    Raises:
        TooManyUploads, OverQuota
    """
    own = [upload for upload in on_their_way if upload.user == user.name]
    receiving = [upload for upload in own if upload.state in (UploadState.OPEN, UploadState.CLOSING)]
    if len(receiving) >= user.max_uploads:
        raise TooManyUploads(
            f"{user.name} has {len(receiving)} of {user.max_uploads} uploads open: "
            + ", ".join(upload.id for upload in receiving[:3]),
            hint="complete or abort one, then try again",
        )
    if user.quota_bytes is not None:
        left = user.quota_bytes - user_bytes - _claimed_by(user, on_their_way)
        if left <= 0 or (expected_bytes or 0) > left:
            raise OverQuota(
                f"{user.name} has {format_size(max(0, left))} left of a quota of {format_size(user.quota_bytes)}"
                + (f", and {format_size(expected_bytes)} are to come" if expected_bytes is not None else ""),
                hint="remove old backups or ask the administrator for a larger quota",
            )


def check_space(reserved_bytes: int, space: Space, on_their_way: list[Upload], limits: SlotLimits) -> None:
    """Check that an upload fits beside what those on their way have still to bring.

    Raises:
        NoSpace: it does not, or there is no volume to archive it on.
    """
    still_to_come = sum(
        max(0, upload.reserved_bytes - upload.received_bytes)
        for upload in on_their_way
        if upload.state is UploadState.OPEN
    )
    usable = space.slots_bytes - still_to_come - limits.margin
    if reserved_bytes > usable:
        raise NoSpace(
            f"{format_size(reserved_bytes)} are needed and {format_size(max(0, usable))} are free for uploads "
            f"({format_size(space.slots_bytes)} free on the disk, {format_size(still_to_come)} promised to open "
            f"uploads, {format_size(limits.margin)} kept as a margin)",
            hint="try again later, or ask the administrator for space",
        )
    if space.volume_bytes is None:
        raise NoSpace("no active volume is there to archive on", hint="the administrator has to look at the volumes")
    on_its_way = sum(_claimed(upload) for upload in on_their_way)
    usable = space.volume_bytes - on_its_way * space.volume_is_elsewhere
    if reserved_bytes > usable:
        raise NoSpace(
            f"{format_size(reserved_bytes)} are needed, and the emptiest volume has {format_size(max(0, usable))}",
            hint="ask the administrator for space",
        )


def choose_slot(slots: list[Slot]) -> Slot:
    """The ready slot that has not been used for longest, so that the accounts take turns.

    Raises:
        NoFreeSlot: none is ready.
    """
    ready = [slot for slot in slots if slot.state is SlotState.READY]
    if not ready:
        taken = sum(slot.state in (SlotState.TAKEN, SlotState.CLOSING) for slot in slots)
        raise NoFreeSlot(
            f"no free slot: {taken} of {len(slots)} taken"
            + (f", {len(slots) - taken} out of use" if taken < len(slots) else ""),
            hint="try again in a few minutes; the administrator sees more in `thaniya slot list`",
        )
    return min(ready, key=lambda slot: (slot.taken_at is not None, slot.taken_at, slot.name))


def _claimed_by(user: User, on_their_way: list[Upload]) -> int:
    """What a user's uploads on their way may still take of the quota."""
    return sum(_claimed(upload) for upload in on_their_way if upload.user == user.name)


def _claimed(upload: Upload) -> int:
    """What an upload on its way takes: an open one at least what is kept free for it."""
    if upload.state is UploadState.OPEN:
        return max(upload.reserved_bytes, upload.received_bytes)
    return upload.received_bytes


class Allocator:
    """Opens uploads."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        locks: SlotLocks,
        limits: SlotLimits,
        measure_space: Callable[[], Space],
        user_bytes: Callable[[str], int],
    ) -> None:
        """
        Args:
            store: where the state is kept.
            clock: the time.
            locks: lets logins in to the slot.
            limits: the configured limits.
            measure_space: tells the free space; it looks at disks, which may hang.
            user_bytes: what a user's archived backups take, by the catalog.
        """
        self._store = store
        self._clock = clock
        self._locks = locks
        self._limits = limits
        self._measure_space = measure_space
        self._user_bytes = user_bytes

    def allocate(
        self,
        user_name: str,
        host: str,
        name: str,
        expected_bytes: int | None,
        peer: str,
        actor: str,
        agreement: Agreement = Agreement(),  # noqa: B008 - a frozen value
    ) -> Upload:
        """Open an upload in a free slot, with what was agreed of its parent.

        A refusal is written to the audit log, unless it is only for now.

        Raises:
            IllegalName: host or name is not legal.
            NotAllowed, UserDisabled: the user is not there or not let in.
            TooManyUploads, OverQuota, NoFreeSlot, NoSpace: there is no room now.
        """
        series = Series(user_name, check_host(host), check_series_name(name))
        try:
            # Before the transaction: a disk that hangs must not hold up everything else.
            space = self._measure_space()
            with self._store.transaction() as state:
                user = check_admitted(state.users.get(user_name), user_name)
                on_their_way = state.uploads.all()
                # Under the lock: an upload that moves into the archive is counted here or there, and not in both.
                user_bytes = self._user_bytes(user_name)
                check_may_upload(user, expected_bytes, user_bytes, on_their_way)
                reserved = reserve_bytes(expected_bytes, self._limits)
                check_space(reserved, space, on_their_way, self._limits)
                slot = choose_slot(state.slots.all())
                allowed = allow_bytes(user, expected_bytes, user_bytes, on_their_way)
                now = self._clock.now()
                upload = _new_upload(series, slot, now, expected_bytes, reserved, allowed, peer, agreement)
                if state.uploads.get(upload.id) is not None:
                    raise NoFreeSlot("two uploads got the same id", hint="try again")
                state.slots.put(transitions.take_slot(slot, upload.id, now))
                state.uploads.put(upload)
        except (NotAllowed, NoSpace) as error:
            # Busy leaves no event: a client that waits for its turn asks again every few seconds.
            self._log(actor, str(series), False, error.message)
            raise
        try:
            self._locks.unlock_for(slot.name, upload.id)
        except ThaniyaError as error:
            # Nobody can get in, and nobody would know the id to abort it.
            self._log(actor, upload.id, False, error.message)
            with self._store.transaction() as state:
                _give_up(state, upload.id, error.message)
            raise
        on = f", an increment on {upload.parent}" if upload.parent else ""
        self._log(actor, upload.id, True, f"{series} in {slot.name}{on}")
        return upload

    def _log(self, actor: str, subject: str, ok: bool, detail: str) -> None:
        self._store.add_event(Event(self._clock.now(), actor, "upload.open", subject, ok, detail))


def _give_up(state: StateTransaction, upload_id: str, reason: str) -> None:
    """Have an upload end, and its slot close, that nobody can bring anything to."""
    upload = state.uploads.get(upload_id)
    slot = state.slots.get(upload.slot) if upload is not None else None
    if upload is not None and upload.state is UploadState.OPEN:
        state.uploads.put(transitions.end_upload(upload, UploadState.ABORTED, f"it could not be opened: {reason}"))
        if slot is not None and slot.upload_id == upload_id:
            state.slots.put(transitions.close_slot(slot))


def _new_upload(
    series: Series,
    slot: Slot,
    now: datetime,
    expected_bytes: int | None,
    reserved_bytes: int,
    allowed_bytes: int | None,
    peer: str,
    agreement: Agreement,
) -> Upload:
    return Upload(
        id=make_id(now),
        user=series.user,
        host=series.host,
        name=series.name,
        slot=slot.name,
        created_at=now,
        last_activity_at=now,
        expected_bytes=expected_bytes,
        reserved_bytes=reserved_bytes,
        allowed_bytes=allowed_bytes,
        peer=peer,
        parent=agreement.parent,
        parent_refused=agreement.refused,
    )
