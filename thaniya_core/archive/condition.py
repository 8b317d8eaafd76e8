"""How the volumes are: there, nearly full, or not there. A change is told once, in the audit log and on stderr."""

from __future__ import annotations

import logging

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.archive.presence import is_there
from thaniya_core.archive.volumes import Volumes
from thaniya_core.config import Level
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Event, Volume, VolumeCondition
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.space import DiskSpace, disk_space

logger = logging.getLogger(__name__)

_RELIEF_PERCENT = 110
"""A volume counts as nearly full until it has so much of the level free, so that nothing is told to and fro."""


class VolumeStatus(Struct, frozen=True):
    """How a volume is now."""

    volume: Volume
    condition: VolumeCondition
    detail: str
    """What is free, or what is wrong with it."""
    space: DiskSpace | None = None
    """On its disk; None when it is not there."""

    @property
    def needs_somebody(self) -> bool:
        """Whether an administrator has to look at it. One that takes no new backups may be full, or in a safe."""
        if self.volume.active:
            return self.condition is not VolumeCondition.OK
        return self.condition is VolumeCondition.DAMAGED


def judge(volume: Volume, space: DiskSpace, low: Level) -> VolumeCondition:
    """Whether a volume that is there is nearly full: of bytes, or of files.

    Args:
        volume: with what was told of it last.
        space: on its disk.
        low: with less than this free it is.
    """
    percent = _RELIEF_PERCENT if volume.condition is VolumeCondition.LOW else 100
    lacks_bytes = space.free_bytes * 100 < low.bytes_of(space.total_bytes) * percent
    lacks_files = space.free_files * 100 < low.part_of(space.total_files) * percent
    return VolumeCondition.LOW if lacks_bytes or lacks_files else VolumeCondition.OK


class VolumeWatch:
    """Looks at volumes."""

    def __init__(self, store: Store, clock: Clock, volumes: Volumes, low: Level) -> None:
        """
        Args:
            store, clock, volumes: what they say.
            low: with less than this free a volume counts as nearly full.
        """
        self._store = store
        self._clock = clock
        self._volumes = volumes
        self._low = low

    def look(self) -> list[VolumeStatus]:
        """How each volume is now; nothing is written."""
        return [self.look_at(volume) for volume in self._volumes.all()]

    def look_at(self, volume: Volume) -> VolumeStatus:
        """How one volume is now."""
        try:
            if not is_there(volume):
                return VolumeStatus(volume, VolumeCondition.MISSING, f"it is not at {volume.path}")
            space = disk_space(volume.path)
        except (OSError, ThaniyaError) as error:
            return VolumeStatus(volume, VolumeCondition.DAMAGED, str(error))
        free = f"{format_size(space.free_bytes)} of {format_size(space.total_bytes)}"
        if space.total_files:
            free += f" and {space.free_files} of {space.total_files} inodes"
        return VolumeStatus(volume, judge(volume, space, self._low), f"{free} are free at {volume.path}", space)

    def tell_changes(self) -> None:
        """Look at each volume, and tell which are not as they were when this was called last."""
        for status in self.look():
            if status.condition is not status.volume.condition:
                self._tell(status)

    def _tell(self, status: VolumeStatus) -> None:
        with self._store.transaction() as state:
            current = state.volumes.get(status.volume.id)
            if current is None or current.path != status.volume.path or current.condition is status.condition:
                return  # it was removed, moved, or told by another process meanwhile
            state.volumes.put(replace(current, condition=status.condition))
        is_good = status.condition is VolumeCondition.OK
        log = logger.info if is_good else logger.warning
        log("the volume %s is %s: %s", status.volume.label, status.condition.words, status.detail)
        action = f"volume.{status.condition}"
        self._store.add_event(Event(self._clock.now(), "service", action, status.volume.label, is_good, status.detail))
