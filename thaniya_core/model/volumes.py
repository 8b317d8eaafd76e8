"""Volumes, and how they were found."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from msgspec import Struct


class VolumeCondition(StrEnum):
    """How a volume was when it was last looked at."""

    OK = "ok"
    LOW = "low"
    """Less is free than the configuration wants."""
    MISSING = "missing"
    """Its directory does not hold it: its disk is not mounted there."""
    DAMAGED = "damaged"
    """It is there and cannot be used."""

    @property
    def words(self) -> str:
        """For people."""
        return {"ok": "all right", "low": "nearly full", "missing": "not there", "damaged": "damaged"}[self]


class Volume(Struct, frozen=True):
    """A directory, usually a mount point, that holds archived backups."""

    id: str
    label: str
    path: Path
    active: bool = True
    """Takes new backups."""
    condition: VolumeCondition = VolumeCondition.OK
    """What was told of it last; for how it is now, look at it."""
