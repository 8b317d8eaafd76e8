"""What clients tried in their slots and were refused, as events of the audit log."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from thaniya_core.model import Event, Refusal, Upload
from thaniya_core.slots.uploads import Uploads
from thaniya_core.store import Store

SHOWN = 20
"""Events of one upload; one more says that there is more."""

_ENDED_LOOKED_AT = 50
"""A slot goes to its next upload soon after a refusal was noted, but not many times."""


class Refusals:
    """Tells refusals in the name of the user who held the slot. Counts them in memory, an upload at a time."""

    def __init__(self, store: Store, uploads: Uploads) -> None:
        self._store = store
        self._uploads = uploads
        self._told: dict[str, int] = {}

    def tell(self, refusals: deque[Refusal]) -> None:
        """Add events for what was refused; a login that spoke no SFTP is noted at the upload too.

        What was told is taken out of `refusals`, so that after a failure the rest can be told again.

        Raises:
            ThaniyaError: the audit log or the state cannot be written.
        """
        earlier: dict[str, Upload | None] = {}
        while refusals:
            refusal = refusals[0]
            upload = self._holder(refusal)
            if upload is None:
                # The slot was given to another upload since; looking into the history is done once.
                if refusal.slot not in earlier:
                    earlier[refusal.slot] = self._earlier_holder(refusal)
                upload = earlier[refusal.slot]
            if upload is not None and not _speaks_sftp(refusal, upload):
                self._tell(refusal, upload)
            refusals.popleft()
        known = {slot.upload_id for slot in self._store.read().slots.all()} if self._told else set()
        self._told = {upload_id: count for upload_id, count in self._told.items() if upload_id in known}

    def _tell(self, refusal: Refusal, upload: Upload) -> None:
        count = self._told.get(upload.id, 0)
        if count > SHOWN:
            return
        detail = refusal.detail
        if count == SHOWN:
            detail = f"more was refused; no more than {SHOWN} refusals are kept of an upload"
        elif refusal.is_no_sftp:
            detail = no_sftp_reason(upload.slot)
            self._uploads.note_refused_login(upload.id, detail)
        actor = f"{upload.user}@{refusal.peer or upload.peer}"
        detail = f"{detail} (upload {upload.id})"
        self._store.add_event(Event(refusal.at, actor, "slot.refused", upload.slot, False, detail))
        self._told[upload.id] = count + 1

    def _holder(self, refusal: Refusal) -> Upload | None:
        """The upload that holds the slot, when it held it at the time of the refusal already."""
        state = self._store.read()
        slot = state.slots.get(refusal.slot)
        upload = state.uploads.get(slot.upload_id) if slot is not None and slot.upload_id else None
        return upload if upload is not None and upload.created_at <= refusal.at else None

    def _earlier_holder(self, refusal: Refusal) -> Upload | None:
        """The last upload that got the slot before the refusal."""
        uploads = self._uploads.list_all(_ENDED_LOOKED_AT)
        held = [upload for upload in uploads if upload.slot == refusal.slot and _was_held(upload, refusal.at)]
        return held[-1] if held else None


def _was_held(upload: Upload, at: datetime) -> bool:
    """Whether an upload had its slot at a time; what is tried at a slot that nobody holds is in nobody's name."""
    return upload.created_at <= at and (upload.ended_at is None or at <= upload.ended_at)


def no_sftp_reason(slot: str) -> str:
    """What is told of a login that asked for something other than SFTP, and what helps."""
    return (
        f"a client logged in to {slot} and spoke no SFTP, as `scp -O` and scp before OpenSSH 9.0 do: use sftp, "
        "a newer scp, or ask the administrator for `legacy_scp = true` in [gate]"
    )


def _speaks_sftp(refusal: Refusal, upload: Upload) -> bool:
    """Whether it is a client that sends by SFTP, and only looked whether it can run commands too, as rclone does."""
    return refusal.is_no_sftp and refusal.sftp_at is not None and refusal.sftp_at >= upload.created_at
