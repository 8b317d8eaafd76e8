"""Which volume a new backup goes to: a pure function."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from thaniya_core.errors import NotFound
from thaniya_core.model import Volume

DOCUMENTS_BYTES = 4 * 1024 * 1024
"""What is kept free for backup.json, SHA256SUMS and RESTORE.txt."""


class Room(Struct, frozen=True):
    """A volume that is there and takes new backups, and what a backup would need on it."""

    volume: Volume
    free_bytes: int
    needed_bytes: int
    """Less than the backup's size where its files lie on that file system already."""

    @property
    def fits(self) -> bool:
        return self.needed_bytes <= self.free_bytes


def choose_room(rooms: Sequence[Room], preferred: str = "") -> Room:
    """Where the series already is, if the backup fits there; else the one with the most free space.

    When it fits nowhere the one with the most free space is given too: whoever writes there tells what is missing.

    Args:
        rooms: all that may be chosen.
        preferred: the id of the volume where the series' newest backup lies; empty for none.

    Raises:
        NotFound: there is none at all.
    """
    if not rooms:
        raise NotFound("no active volume is there", hint="is the disk mounted? see `thaniya volume list`")
    for room in rooms:
        if room.volume.id == preferred and room.fits:
            return room
    return max(rooms, key=lambda room: (room.fits, room.free_bytes))
