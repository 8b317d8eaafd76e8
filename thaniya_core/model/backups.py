"""Archived backups."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from thaniya_core.formats.manifest import BackupDocument
from thaniya_core.formats.names import Series
from thaniya_core.formats.notes import Notes


class Backup(Struct, frozen=True, gc=False):  # no cycle can be made of it, and there are many
    """An archived upload, as the catalog knows it."""

    document: BackupDocument
    volume: str
    """The volume's id."""
    broken: str = ""
    """What the last verification found; empty when it is good or was never verified."""
    verified_at: datetime | None = None
    notes: Notes = Notes()

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def series(self) -> Series:
        return self.document.series
