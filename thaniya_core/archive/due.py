"""Which backups are to be read again now, so that each is within a time. Pure.

The archive is read at an even pace, bytes in the whole period, so that no night has to read what was archived in one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random

from thaniya_core.model import Backup

_AGES = 100 * 365 * 86400.0
"""Seconds: longer than any backup was not read."""


def last_read_at(backup: Backup) -> datetime:
    """When every byte of a backup was read last: at a verification, or when it was archived."""
    archived_at = backup.document.archived_at
    return archived_at if backup.verified_at is None else max(backup.verified_at, archived_at)


def choose_due(
    backups: Iterable[Backup], now: datetime, every: timedelta, horizon: timedelta, limit_bytes: int
) -> list[Backup]:
    """The backups to read now, the one read longest ago first.

    Each is to be read again within `every`. All of them take that long at a pace of total bytes by `every`; so one is
    begun as soon as that pace would make any backup late. A set that was archived all at once is so read bit by bit
    over the whole period, and a single backup when its time has come. Broken ones are left out: they are told already.

    Args:
        backups: the archive, as far as it can be read.
        now: the time.
        every: within which each is read; nothing is due when it is not positive.
        horizon: until the next run, which what becomes late before is read now.
        limit_bytes: read no more in this run; a backup that is larger is read alone.
    """
    good = [backup for backup in backups if not backup.broken]
    # A time in the future was noted before the clock was put back: it says nothing.
    waiting = sorted(good, key=lambda backup: (-_age(backup, now), backup.id))
    total = sum(_bytes(backup) for backup in waiting)
    if every <= timedelta(0) or total == 0:
        return []
    # Runs are that far apart, so what is to be read within `every` must be read that much earlier.
    period_s = max(1.0, (every - horizon).total_seconds())
    pace = total / period_s
    needed = -math.inf
    before = 0
    for backup in waiting:
        needed = max(needed, before - pace * (period_s - _age(backup, now)))
        before += _bytes(backup)
    chosen: list[Backup] = []
    taken = 0
    for backup in waiting:
        if taken > needed or (chosen and taken + _bytes(backup) > limit_bytes):
            break
        chosen.append(backup)
        taken += _bytes(backup)
    return chosen


def older_than(backups: Iterable[Backup], now: datetime, age: timedelta) -> list[Backup]:
    """The backups that were read longer ago than `age`, the one read longest ago first."""
    old = [backup for backup in backups if _age(backup, now) > age.total_seconds()]
    return sorted(old, key=lambda backup: (last_read_at(backup), backup.id))


def choose_sample(backups: Sequence[Backup], percent: float, random: Random) -> list[Backup]:
    """So many in a hundred of the backups, by chance, at least one; in the order they had."""
    count = min(len(backups), max(1, math.ceil(len(backups) * percent / 100)))
    return [backups[number] for number in sorted(random.sample(range(len(backups)), count))]


def _age(backup: Backup, now: datetime) -> float:
    """Seconds since it was read."""
    seconds = (now - last_read_at(backup)).total_seconds()
    return seconds if seconds >= 0 else _AGES


def _bytes(backup: Backup) -> int:
    return max(1, backup.document.stored_bytes)
