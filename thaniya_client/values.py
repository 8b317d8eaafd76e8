"""What the library hands to its callers: frozen values."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from thaniya_core.formats.manifest import BackupFile
from thaniya_core.formats.names import Series
from thaniya_core.formats.protocol import UploadState
from thaniya_core.formats.recipes import Recipe


class Phase(StrEnum):
    """What a backup or restore is doing."""

    ESTIMATING = "estimating"
    WAITING = "waiting"
    """For a free slot, for an upload of the same user to end, or before another try."""
    PACKING = "packing"
    ARCHIVING = "archiving"
    RESTORING = "restoring"
    DONE = "done"


class Progress(Struct, frozen=True):
    """How far a backup or restore has come."""

    phase: Phase
    read_bytes: int = 0
    """Uncompressed bytes that came from the source, or went into the target."""
    sent_bytes: int = 0
    """Bytes as stored that went to the server or disk, or came from it."""
    entries: int = 0
    """Members of tar archives so far: files, directories, links."""
    expected_bytes: int | None = None
    """What `read_bytes` will reach at the most; None where nobody knows."""
    detail: str = ""
    """What it waits for, in words; mostly empty."""
    bytes_per_s: float | None = None
    """How fast `read_bytes` has grown lately, over a quarter of a minute; None while nothing moves, or in the first
    second."""
    remaining_s: float | None = None
    """How long the rest will take at most, at that rate; None where nobody knows."""


OnProgress = Callable[[Progress], None]
"""Is called in the thread that makes the backup, about ten times a second. What it raises ends the backup."""


class Outcome(Struct, frozen=True):
    """What became of an upload that was finished."""

    state: UploadState
    """`archived`, or `spooled` when nobody waited for more."""
    stored_bytes: int | None = None
    """All files together on the volume; None while it is not archived."""


class Report(Struct, frozen=True, kw_only=True):
    """A backup that was made, or simulated."""

    id: str
    """Empty when it was simulated."""
    series: Series
    state: UploadState | None
    """`archived`: checked and durable. `spooled`: received, to be archived soon. None: it was simulated."""
    files: tuple[BackupFile, ...]
    """Each with its size and SHA-256."""
    stored_bytes: int
    """All files together as they are stored."""
    original_bytes: int
    """All files together before compression."""
    entries: int
    """Members of the tar archives: files, directories, links."""
    parent: str | None = None
    """The backup that an increment builds on; None for a full one."""
    full_because: str = ""
    """Why it is a full one, where an increment was wanted."""
    warnings: tuple[str, ...] = ()
    """What could not be backed up as it should; at most the first 200. All are in client.log."""
    warning_count: int = 0
    seconds: float
    """The try that succeeded took so long."""
    tries: int = 1
    """How many it took."""
    tags: tuple[str, ...] = ()
    """What it is to be found by, as they were given."""
    plan: tuple[str, ...] = ()
    """When it was simulated: what would be done, in its order, one line each."""

    def to_json(self) -> str:
        """The report as indented JSON, for programs and logs. Fields may be added, never renamed."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode()


class Restored(Struct, frozen=True, kw_only=True):
    """A backup, or a part of it, that was restored."""

    id: str
    into: Path
    files: int
    """Files of the backup that were read: archives and plain files."""
    stored_bytes: int
    """Read from the backup; every byte was checked against the sums."""
    original_bytes: int
    """The same after decompression."""
    warnings: tuple[str, ...] = ()
    """What only root could restore and was left out."""
    recipes: tuple[Recipe, ...] = ()
    """What is left to be done with the restored files, as the client wrote it that made the backup."""
    seconds: float
