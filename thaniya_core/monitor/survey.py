"""Everything at a glance: one frozen value that screens and people read, so that they need not gather it themselves."""

from __future__ import annotations

from datetime import date, datetime

from msgspec import Struct

from thaniya_core.formats.names import Series
from thaniya_core.model import EndedUpload, Severity, VolumeCondition
from thaniya_core.monitor.calendar import DayState
from thaniya_core.monitor.findings import Finding

CALENDAR_DAYS = 30
"""So many days has the calendar of a series."""

GROWTH_DAYS = 90
"""So many days has the growth of a volume."""

ENDED_UPLOADS = 200
"""So many of the uploads that ended last are kept."""


class SurveyedSeries(Struct, frozen=True):
    """A series."""

    series: Series
    backups: int
    broken: int
    stored_bytes: int
    last_at: datetime | None
    """When its last good backup was made."""
    last_bytes: int | None
    """What that takes on its volume."""
    every_s: int | None
    """How often a backup is expected; None when none is."""
    allowed_s: int | None
    """A last good backup that is older is late."""
    is_learned: bool
    """Nobody said how often: its own rhythm shows it."""
    is_retired: bool
    """An administrator expects nothing any more."""
    unverified: int
    """Backups that were not read again for too long."""
    severity: Severity
    """The worst finding about it."""
    days: tuple[DayState, ...]
    """CALENDAR_DAYS of them, the oldest first; the last is today, in the local time of the server."""


class SurveyedVolume(Struct, frozen=True):
    """A volume, as it is now."""

    id: str
    label: str
    path: str
    is_active: bool
    """It takes new backups."""
    condition: VolumeCondition
    problem: str
    """Why it is not there; empty when it is."""
    total_bytes: int | None
    """None when it is not there."""
    free_bytes: int | None
    """None when it is not there."""
    low_bytes: int
    """With less free than this it is nearly full."""
    backups: int
    """By the catalog, whether it is there or not."""
    stored_bytes: int
    """What they take."""
    full_in_days: float | None
    """So long the free space lasts; None when it does not fill, or nobody can tell."""
    growth: tuple[int, ...]
    """Bytes of the backups that lie there today and had come by the end of a day: GROWTH_DAYS of them, the oldest
    first; the last is today, and is `stored_bytes`."""


class SurveyedUser(Struct, frozen=True):
    """Who has backups, or may make some."""

    name: str
    backups: int
    stored_bytes: int


class Survey(Struct, frozen=True):
    """Everything at a glance."""

    made_at: datetime
    today: date
    """The last day of all calendars, in the local time of the server."""
    status: Severity
    """The worst of all findings."""
    verdict: str
    """One line for people: `2 series late, volume first at 91%`, `all 14 series are backed up`."""
    findings: tuple[Finding, ...]
    """The worst first."""
    series: tuple[SurveyedSeries, ...]
    """In their order."""
    volumes: tuple[SurveyedVolume, ...]
    users: tuple[SurveyedUser, ...]
    """By name."""
    ended: tuple[EndedUpload, ...]
    """The uploads that ended last, the newest first."""
