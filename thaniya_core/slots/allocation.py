"""Whether an upload is let in, and into which slot."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from thaniya_core.config import SlotLimits
from thaniya_core.errors import NoFreeSlot, NoSpace, NotAllowed, OverQuota, TooManyUploads, UserDisabled
from thaniya_core.formats.names import Series, check_host, check_series_name, make_id
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Event, Slot, SlotState, Upload, UploadState, User
from thaniya_core.slots import transitions
from thaniya_core.slots.ports import SlotAccounts
from thaniya_core.store import Store
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
    user_bytes: int
    """What the user's archived backups take."""
    volume_is_elsewhere: bool = False
    """The volumes lie on another file system than the slots: what is on its way still needs its space there."""


def reserve_bytes(expected_bytes: int | None, limits: SlotLimits) -> int:
    """What is kept free for an upload that expects so much."""
    return math.ceil(expected_bytes * RESERVE_FACTOR) if expected_bytes is not None else int(limits.assumed)


def allow_bytes(user: User, expected_bytes: int | None, user_bytes: int, open_uploads: list[Upload]) -> int | None:
    """The most that an upload may bring; None for no limit but the space."""
    bounds: list[int] = []
    if expected_bytes is not None:
        bounds.append(math.ceil(expected_bytes * RESERVE_FACTOR) + ALLOWANCE_BYTES)
    if user.quota_bytes is not None:
        bounds.append(max(0, user.quota_bytes - user_bytes - _claimed_by(user, open_uploads)))
    return min(bounds) if bounds else None


def check_user(user: User, expected_bytes: int | None, user_bytes: int, open_uploads: list[Upload]) -> None:
    """Check what concerns the user alone.

    Raises:
        UserDisabled, TooManyUploads, OverQuota
    """
    if not user.enabled:
        raise UserDisabled(f"the user {user.name} is disabled", hint="ask the administrator")
    own = [upload for upload in open_uploads if upload.user == user.name]
    receiving = [upload for upload in own if upload.state in (UploadState.OPEN, UploadState.CLOSING)]
    if len(receiving) >= user.max_uploads:
        raise TooManyUploads(
            f"{user.name} has {len(receiving)} of {user.max_uploads} uploads open: "
            + ", ".join(upload.id for upload in receiving[:3]),
            hint="complete or abort one, then try again",
        )
    if user.quota_bytes is not None:
        left = user.quota_bytes - user_bytes - _claimed_by(user, open_uploads)
        if left <= 0 or (expected_bytes or 0) > left:
            raise OverQuota(
                f"{user.name} has {format_size(max(0, left))} left of a quota of {format_size(user.quota_bytes)}"
                + (f", and {format_size(expected_bytes)} are to come" if expected_bytes is not None else ""),
                hint="remove old backups or ask the administrator for a larger quota",
            )


def check_space(reserved_bytes: int, space: Space, open_uploads: list[Upload], limits: SlotLimits) -> None:
    """Check that an upload fits beside what the open ones have still to bring.

    Raises:
        NoSpace: it does not, or there is no volume to archive it on.
    """
    still_to_come = sum(
        max(0, upload.reserved_bytes - upload.received_bytes)
        for upload in open_uploads
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
    on_its_way = sum(_claimed(upload) for upload in open_uploads)
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


def _claimed_by(user: User, open_uploads: list[Upload]) -> int:
    """What a user's uploads on their way may still take of the quota."""
    return sum(_claimed(upload) for upload in open_uploads if upload.user == user.name)


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
        accounts: SlotAccounts,
        limits: SlotLimits,
        measure_space: Callable[[str], Space],
    ) -> None:
        """
        Args:
            store: where the state is kept.
            clock: the time.
            accounts: the slots' accounts.
            limits: the configured limits.
            measure_space: tells the free space for an upload of a user.
        """
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._limits = limits
        self._measure_space = measure_space

    def allocate(
        self, user_name: str, host: str, name: str, expected_bytes: int | None, peer: str, actor: str
    ) -> Upload:
        """Open an upload in a free slot.

        Raises:
            IllegalName: host or name is not legal.
            NotAllowed, UserDisabled: the user is not there or not let in.
            TooManyUploads, OverQuota, NoFreeSlot, NoSpace: there is no room now.
        """
        series = Series(user_name, check_host(host), check_series_name(name))
        try:
            with self._store.transaction() as state:
                # Measured under the lock: an upload that moves into the archive is counted here or there.
                space = self._measure_space(user_name)
                user = state.users.get(user_name)
                if user is None:
                    raise NotAllowed(f"there is no user {user_name!r}")
                open_uploads = state.uploads.all()
                check_user(user, expected_bytes, space.user_bytes, open_uploads)
                reserved = reserve_bytes(expected_bytes, self._limits)
                check_space(reserved, space, open_uploads, self._limits)
                slot = choose_slot(state.slots.all())
                allowed = allow_bytes(user, expected_bytes, space.user_bytes, open_uploads)
                now = self._clock.now()
                upload = _new_upload(series, slot, now, expected_bytes, reserved, allowed, peer)
                if state.uploads.get(upload.id) is not None:
                    raise NoFreeSlot("two uploads got the same id", hint="try again")
                state.slots.put(transitions.take_slot(slot, upload.id, now))
                state.uploads.put(upload)
        except (NotAllowed, NoSpace, NoFreeSlot, TooManyUploads) as error:
            self._log(actor, str(series), False, error.message)
            raise
        self._accounts.unlock(slot.name)
        self._log(actor, upload.id, True, f"{series} in {slot.name}")
        return upload

    def _log(self, actor: str, subject: str, ok: bool, detail: str) -> None:
        self._store.add_event(Event(self._clock.now(), actor, "upload.open", subject, ok, detail))


def _new_upload(
    series: Series,
    slot: Slot,
    now: datetime,
    expected_bytes: int | None,
    reserved_bytes: int,
    allowed_bytes: int | None,
    peer: str,
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
    )
