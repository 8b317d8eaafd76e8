"""The calendar of a series: what became of its backups on each day."""

from __future__ import annotations

from enum import StrEnum


class DayState(StrEnum):
    """What became of a series' backups on a day."""

    DONE = "done"
    """A good backup was made."""
    LATE = "late"
    """None was, nothing was tried, and one was due."""
    FAILED = "failed"
    """None was; what was tried came to nothing, or is broken."""
    NONE = "none"
    """None was, and none was due."""
