"""Public fakes for tests: a clock that is set by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FixedClock:
    """A `Clock` that stands still until it is told otherwise."""

    def __init__(self, now: datetime = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Return at once, so many seconds later by this clock."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set_wall_clock(self, by: timedelta) -> None:
        """Put the wall clock forward or back, as an administrator or NTP does; the other clock goes on as it was."""
        self._now += by
