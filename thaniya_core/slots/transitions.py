"""The state machines of uploads and slots: each transition is one pure function.

    upload   open -> closing -> spooled -> archived
                           \\-> aborted, expired, rejected, failed
                                spooled -> rejected, failed; failed -> spooled (an administrator's retry)
    slot     ready -> taken -> closing -> ready
                               closing -> degraded -> closing; ready, degraded -> disabled -> closing

Who calls them holds the store's transaction and writes what they give back.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from thaniya_core.errors import NoFreeSlot, WrongState
from thaniya_core.model import Slot, SlotState, Upload, UploadState

ENDINGS = frozenset({UploadState.ABORTED, UploadState.EXPIRED, UploadState.REJECTED, UploadState.FAILED})
"""How an upload ends without a backup."""


def take_slot(slot: Slot, upload_id: str, now: datetime) -> Slot:
    """Give a ready slot to an upload; `now` lets the slots take turns.

    Raises:
        NoFreeSlot: the slot is not ready.
    """
    if slot.state is not SlotState.READY:
        raise NoFreeSlot(f"{slot.name} is {slot.state}")
    return replace(slot, state=SlotState.TAKEN, upload_id=upload_id, taken_at=now)


def close_slot(slot: Slot) -> Slot:
    """Let nobody write any more. A slot that is closing already stays so."""
    if slot.state not in (SlotState.TAKEN, SlotState.CLOSING):
        raise WrongState(f"{slot.name} is {slot.state}, not taken")
    return replace(slot, state=SlotState.CLOSING)


def free_slot(slot: Slot) -> Slot:
    """Make a cleaned slot ready for the next upload."""
    if slot.state is not SlotState.CLOSING:
        raise WrongState(f"{slot.name} is {slot.state}, not closing")
    return replace(slot, state=SlotState.READY, upload_id=None, reason="")


def degrade_slot(slot: Slot, reason: str) -> Slot:
    """Take a slot out of use that could not be cleaned.

    Raises:
        WrongState: it is not closing.
    """
    if slot.state is not SlotState.CLOSING:
        raise WrongState(f"{slot.name} is {slot.state}, not closing")
    return replace(slot, state=SlotState.DEGRADED, reason=reason)


def disable_slot(slot: Slot, reason: str) -> Slot:
    """Take a slot out of use by an administrator's wish.

    Raises:
        WrongState: an upload holds it, or it is being cleaned.
    """
    if slot.state is SlotState.CLOSING and slot.upload_id is None:
        raise WrongState(f"{slot.name} is {slot.state}: it is being cleaned", hint="try again in a moment")
    if slot.state not in (SlotState.READY, SlotState.DISABLED, SlotState.DEGRADED):
        raise WrongState(
            f"{slot.name} is {slot.state}: an upload holds it",
            hint=f"wait for the upload {slot.upload_id}, or end it with `thaniya upload abort {slot.upload_id}`",
        )
    return replace(slot, state=SlotState.DISABLED, upload_id=None, reason=reason)


def enable_slot(slot: Slot) -> Slot:
    """Take a disabled slot into use again, by way of closing: it is cleaned first.

    Raises:
        WrongState: it is not disabled.
    """
    if slot.state is not SlotState.DISABLED:
        hint = f"clean it with `thaniya slot reset {slot.name}`" if slot.state is SlotState.DEGRADED else ""
        raise WrongState(f"{slot.name} is {slot.state}, not disabled", hint=hint)
    return replace(slot, state=SlotState.CLOSING, upload_id=None, reason="")


def reset_slot(slot: Slot) -> Slot:
    """Clean a degraded slot once more, by way of closing.

    Raises:
        WrongState: it is not degraded.
    """
    if slot.state is not SlotState.DEGRADED:
        hint = f"end its upload with `thaniya upload abort {slot.upload_id}`" if slot.upload_id else ""
        raise WrongState(f"{slot.name} is {slot.state}, not degraded: there is nothing to reset", hint=hint)
    return replace(slot, state=SlotState.CLOSING, upload_id=None, reason="")


def complete_upload(upload: Upload, manifest_digest: str, now: datetime) -> Upload:
    """The client has sent everything: the upload goes on to the archive.

    Raises:
        WrongState: it is not open.
    """
    _expect(upload, UploadState.OPEN)
    return replace(
        upload,
        state=UploadState.CLOSING,
        ending=None,
        completed_at=now,
        manifest_digest=manifest_digest,
        reason="",
    )


def end_upload(upload: Upload, ending: UploadState, reason: str) -> Upload:
    """Begin to end an open upload without archiving it.

    Raises:
        WrongState: it is not open, or `ending` is no way to end so.
    """
    _expect(upload, UploadState.OPEN)
    _expect_ending(upload, ending)
    return replace(upload, state=UploadState.CLOSING, ending=ending, reason=reason)


def spool_upload(upload: Upload, files: int, size_bytes: int) -> Upload:
    """Everything has been collected out of the slot."""
    _expect(upload, UploadState.CLOSING)
    return replace(upload, state=UploadState.SPOOLED, received_files=files, received_bytes=size_bytes, reason="")


def archive_upload(upload: Upload, stored_bytes: int, now: datetime) -> Upload:
    """The backup is in its place on a volume, durably."""
    _expect(upload, UploadState.SPOOLED)
    return replace(upload, state=UploadState.ARCHIVED, stored_bytes=stored_bytes, ended_at=now, reason="")


def finish_upload(upload: Upload, state: UploadState, reason: str, now: datetime) -> Upload:
    """The upload has ended without a backup.

    Raises:
        WrongState: it is open or has ended before, or `state` is no way to end so.
    """
    _expect(upload, UploadState.CLOSING, UploadState.SPOOLED, UploadState.FAILED)
    _expect_ending(upload, state)
    return replace(upload, state=state, reason=reason, ended_at=now, ending=None)


def revive_upload(upload: Upload) -> Upload:
    """Try again to archive a failed upload, whose files are in the spool still, on whatever volume fits then."""
    _expect(upload, UploadState.FAILED)
    return replace(upload, state=UploadState.SPOOLED, reason="", ended_at=None, volume="")


def _expect_ending(upload: Upload, ending: UploadState) -> None:
    if ending not in ENDINGS:
        raise WrongState(f"the upload {upload.id} cannot end {ending} without a backup")


def _expect(upload: Upload, *states: UploadState) -> None:
    if upload.state not in states:
        raise WrongState(f"the upload {upload.id} is {upload.state}", hint=upload.reason)
