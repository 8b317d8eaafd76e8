"""How bad things are, what is expected of series, and who was told of what."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """How bad it is: the states of a monitoring plugin."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"
    """It could not be found out."""

    @property
    def exit_code(self) -> int:
        """As Nagios knows it: 0, 1, 2, 3."""
        return list(Severity).index(self)

    @property
    def rank(self) -> int:
        """The higher the worse; what is known to be critical is worse than what is not known."""
        return (Severity.OK, Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL).index(self)


class Expectation(Struct, frozen=True):
    """How often backups of a series are expected, as an administrator said."""

    series: str
    """`alice/web1/nightly`."""
    since: datetime
    """When it was said; a series without any backup is missing from then on."""
    every_s: int | None = None
    """None: the series is retired, and nothing is expected any more."""
    grace_s: int = 0
    """So much later than expected is still in time."""


class Alert(Struct, frozen=True):
    """A finding that people were told of, as long as it lasts."""

    code: str
    subject: str
    severity: Severity
    since: datetime
    told_at: datetime


class ChannelRecord(Struct, frozen=True):
    """A way to tell people: what came through, and what is wrong with it."""

    name: str
    alerts: tuple[Alert, ...] = ()
    """What it was told, and not yet told to be over."""
    failed_at: datetime | None = None
    """Since when nothing comes through; None while it works."""
    reason: str = ""
    """Why."""


class PingRecord(Struct, frozen=True):
    """How far the pings of the series have come, and which did not come through."""

    ended_until: datetime
    """Uploads that ended until then are told."""
    started: tuple[str, ...] = ()
    """Uploads on their way whose start is told."""
    failed: dict[str, str] = {}
    """By series: why its last ping did not come through."""
    key: str = "pings"
