"""Which backups are to be read again now, so that each is within a time. Pure.

The archive is read at an even pace, bytes in the whole period, so that no night has to read what was archived in one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random

from msgspec import Struct

from thaniya_core.formats.names import Series
from thaniya_core.model import Backup

_AGES = 100 * 365 * 86400.0
"""Seconds: longer than any backup was not read."""


class Reading(Struct, frozen=True, order=True, gc=False):  # no cycle can be made of it, and there are many
    """When every byte of a backup was read last: at a verification, or when it was archived."""

    at: datetime
    backup_id: str
    series: Series
    size_bytes: int
    """At least 1."""


def last_reading(backup: Backup) -> Reading:
    """When a backup was read last."""
    document = backup.document
    at = document.archived_at if backup.verified_at is None else max(backup.verified_at, document.archived_at)
    return Reading(at, document.id, document.series, max(1, document.stored_bytes))


def choose_due(
    readings: Iterable[Reading], now: datetime, every: timedelta, horizon: timedelta, limit_bytes: int
) -> list[Reading]:
    """The backups to read now, the one read longest ago first.

    Each is to be read again within `every`. All of them take that long at a pace of total bytes by `every`; so one is
    begun as soon as that pace would make any backup late. A set that was archived all at once is so read bit by bit
    over the whole period, and a single backup when its time has come.

    Args:
        readings: of the archive, as far as it can be read.
        now: the time.
        every: within which each is read; nothing is due when it is not positive.
        horizon: until the next run, which what becomes late before is read now.
        limit_bytes: read no more in this run; a backup that is larger is read alone.
    """
    # A time in the future was noted before the clock was put back: it says nothing.
    waiting = sorted(readings, key=lambda reading: (-_age(reading, now), reading.backup_id))
    total = sum(reading.size_bytes for reading in waiting)
    if every <= timedelta(0) or total == 0:
        return []
    # Runs are that far apart, so what is to be read within `every` must be read that much earlier.
    period_s = max(1.0, (every - horizon).total_seconds())
    pace = total / period_s
    needed = -math.inf
    before = 0
    for reading in waiting:
        needed = max(needed, before - pace * (period_s - _age(reading, now)))
        before += reading.size_bytes
    chosen: list[Reading] = []
    taken = 0
    for reading in waiting:
        if taken > needed or (chosen and taken + reading.size_bytes > limit_bytes):
            break
        chosen.append(reading)
        taken += reading.size_bytes
    return chosen


def older_than(readings: Iterable[Reading], now: datetime, age: timedelta) -> list[Reading]:
    """The backups that were read longer ago than `age`, the one read longest ago first."""
    return sorted(reading for reading in readings if _age(reading, now) > age.total_seconds())


def choose_sample(readings: Sequence[Reading], percent: float, random: Random) -> list[Reading]:
    """So many in a hundred of the backups, by chance, at least one; in the order they had."""
    count = min(len(readings), max(1, math.ceil(len(readings) * percent / 100)))
    return [readings[number] for number in sorted(random.sample(range(len(readings)), count))]


def _age(reading: Reading, now: datetime) -> float:
    """Seconds since it was read."""
    seconds = (now - reading.at).total_seconds()
    return seconds if seconds >= 0 else _AGES
