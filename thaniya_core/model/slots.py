"""Slots, and what is seen of their accounts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class SlotState(StrEnum):
    READY = "ready"
    TAKEN = "taken"
    CLOSING = "closing"
    DEGRADED = "degraded"
    """It could not be cleaned and needs an administrator."""
    DISABLED = "disabled"


class Slot(Struct, frozen=True):
    """A system account that takes one upload at a time."""

    name: str
    state: SlotState = SlotState.READY
    upload_id: str | None = None
    """The upload that holds the slot; None while no upload does."""
    reason: str = ""
    """Why it is degraded or disabled."""
    taken_at: datetime | None = None
    """When an upload took it last; the slots take turns by it."""


class SlotUsage(Struct, frozen=True):
    """What lies in a slot's upload directory and who is connected."""

    size_bytes: int
    stored_bytes: int
    """What the files take on the disk: less than their sizes where they have holes."""
    files: int
    changed_at: datetime | None
    """The newest change of a file; None while it is empty."""
    sessions: int | None
    """Open logins; None where this process cannot know."""
    inner_directory: str = ""
    """The name of a directory there, whose contents are not counted; empty when there is none."""


class Collected(Struct, frozen=True):
    """What was taken out of a slot."""

    files: tuple[str, ...]
    refused: tuple[str, ...]
    """What is no plain file with a legal name, each with the reason: `a: is a symbolic link`."""


class Refusal(Struct, frozen=True):
    """What a client tried in its slot and was not allowed to."""

    slot: str
    at: datetime
    detail: str
    """What it was, and how it was answered: `open "/etc/passwd" for READ: no such file`."""
    peer: str = ""
    """The client's address; empty where it is not known."""
    is_no_sftp: bool = False
    """A login asked for something other than SFTP."""
    sftp_at: datetime | None = None
    """When an SFTP session was last opened in the slot before this, if one was."""
