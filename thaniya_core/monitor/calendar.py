"""The calendar of a series: what became of its backups on each day."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise

from thaniya_core.model import UploadState
from thaniya_core.monitor.facts import SeriesFacts
from thaniya_core.monitor.rhythm import Rhythm


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


class LocalDays:
    """The last days of a place, numbered from 0 on; the last is today. Each is as long as its clocks make it."""

    def __init__(self, now: datetime, count: int, zone: tzinfo | None = None) -> None:
        """
        Args:
            now: the time.
            count: how many days, today included.
            zone: whose days they are; None is the machine's own.
        """
        self.count = count
        self.today = now.astimezone(zone).date()
        days = (self.today - timedelta(days=ago) for ago in range(count - 1, -2, -1))
        midnights = (datetime.combine(day, time()) for day in days)
        self._starts = [
            (midnight.astimezone() if zone is None else midnight.replace(tzinfo=zone)).astimezone(UTC)
            for midnight in midnights
        ]

    def number_of(self, moment: datetime) -> int:
        """The day of a moment: -1 for any before the first, `count` for any after today."""
        return bisect_right(self._starts, moment) - 1


def day_states(
    facts: SeriesFacts, rhythm: Rhythm | None, last_good_at: datetime | None, days: LocalDays, now: datetime
) -> tuple[DayState, ...]:
    """What became of a series' backups on each day. A backup belongs to the day on which its upload was opened.

    From the day on which a backup was due until one came, each day is late, provided that it was late by the rhythm of
    now, grace included. Today is late only when the check finds it late now.

    Args:
        facts: the series; what its history says of backups that were removed meanwhile counts.
        rhythm: what is expected of it; None for nothing.
        last_good_at: when the newest good backup of the catalog was made.
        days: which days.
        now: the time.
    """
    states = [DayState.NONE] * days.count
    good = _good_ones(facts, now)
    if rhythm is not None:
        for begin, end in _late_spans(facts, rhythm, good, last_good_at, now):
            for number in range(max(days.number_of(begin), 0), min(days.number_of(end) + 1, days.count)):
                states[number] = DayState.LATE
    tried = [upload.created_at for upload in facts.ended if upload.state is not UploadState.ARCHIVED]
    tried += [backup.document.created_at for backup in facts.backups if backup.broken]
    for moments, state in ((tried, DayState.FAILED), (good, DayState.DONE)):
        for moment in moments:
            number = days.number_of(moment)
            if 0 <= number < days.count:
                states[number] = state
    return tuple(states)


def _good_ones(facts: SeriesFacts, now: datetime) -> list[datetime]:
    """When good backups were made until now, the oldest first; those that were removed meanwhile too."""
    good = {backup.id: backup.document.created_at for backup in facts.backups if not backup.broken}
    broken = {backup.id for backup in facts.backups if backup.broken}
    for upload in facts.ended:
        if upload.state is UploadState.ARCHIVED and upload.id not in broken:
            good.setdefault(upload.id, upload.created_at)
    return sorted(moment for moment in good.values() if moment <= now)


def _late_spans(
    facts: SeriesFacts, rhythm: Rhythm, good: list[datetime], last_good_at: datetime | None, now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """From when to when the series was late, each from the moment at which a backup was due."""
    allowed, due = timedelta(seconds=rhythm.allowed_s), timedelta(seconds=rhythm.due_s)
    for before, after in pairwise(good):
        if after - before > allowed:
            yield before + due, after
    # As the check sees it: by the catalog alone, and from when it was said on where there is no good backup.
    since = last_good_at
    if since is None and facts.expectation is not None:
        since = facts.expectation.since
    if since is not None and now - since > allowed:
        yield since + due, now
