"""What happened on the demo's server in a year, as values: its series, when their backups came, how large they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from random import Random

from msgspec import Struct

from thaniya_core.formats.names import Series
from thaniya_core.retention import Candidate, Policy, make_plan, parse_policy

DAYS = 365
_SEED = "thaniya"

USUAL = "keep-daily=30 keep-weekly=13 keep-monthly=12"
"""The policy of all series that have none of their own."""


class Habit(Struct, frozen=True):
    """How a series is backed up."""

    series: Series
    material: str
    """`tree`: files that grow in number; `dump`: a database."""
    at: time
    """When on a day; the first of them where there are several."""
    counts: tuple[int, int]
    """How much there was at the beginning of the year and is now: files of the tree, blocks of the dump."""
    file_bytes: int = 0
    """Of each file of the tree."""
    is_compressed: bool = False
    every: timedelta = timedelta(days=1)
    begins: int = DAYS
    """So many days ago."""
    ended: int = 0
    """So many days ago the last one came."""
    duration_s: int = 60
    """How long the last upload took; earlier ones were as much quicker as they were smaller."""
    policy: str = USUAL
    """By which it was thinned."""
    address: str = ""
    """Where its uploads come from."""


_MIB = 1024**2

HABITS = (
    Habit(Series("alice", "web1", "site"), "tree", time(1, 40), (22, 41), 96 * 1024, True, address="203.0.113.11"),
    Habit(Series("alice", "web2", "site"), "tree", time(1, 55), (18, 33), 96 * 1024, True, address="203.0.113.12"),
    Habit(
        Series("alice", "db1", "shop"),
        "dump",
        time(0, 5),
        (30, 95),
        every=timedelta(hours=1),
        begins=45,
        duration_s=12,
        policy="keep-hourly=48 keep-daily=30",
        address="203.0.113.21",
    ),
    Habit(
        Series("alice", "web1", "system"),
        "tree",
        time(4, 20),
        (14, 17),
        2 * _MIB,
        every=timedelta(days=7),
        address="203.0.113.11",
    ),
    Habit(
        Series("bob", "lab-nas", "measurements"),
        "tree",
        time(2, 30),
        (21, 66),
        _MIB,
        duration_s=540,
        address="203.0.113.40",
    ),
    Habit(
        Series("bob", "lab-nas", "photos"),
        "tree",
        time(3, 15),
        (16, 28),
        3 * _MIB,
        every=timedelta(days=7),
        duration_s=840,
        address="203.0.113.40",
    ),
    Habit(
        Series("bob", "laptop", "home"),
        "tree",
        time(12, 30),
        (17, 39),
        _MIB,
        begins=300,
        ended=4,
        duration_s=300,
        address="198.51.100.23",
    ),
    Habit(
        Series("carol", "laptop", "home"),
        "tree",
        time(18, 10),
        (11, 26),
        _MIB,
        begins=240,
        duration_s=200,
        address="198.51.100.57",
    ),
    Habit(Series("carol", "web2", "mail"), "tree", time(2, 10), (25, 48), 96 * 1024, True, address="203.0.113.12"),
    Habit(
        Series("carol", "db1", "ledger"),
        "dump",
        time(23, 30),
        (18, 44),
        begins=200,
        duration_s=20,
        address="203.0.113.21",
    ),
    Habit(
        Series("dave", "laptop", "home"),
        "tree",
        time(9, 45),
        (8, 12),
        _MIB,
        every=timedelta(days=7),
        ended=120,
        duration_s=120,
        address="198.51.100.80",
    ),
)


class Run(Struct, frozen=True):
    """One backup that came."""

    habit: Habit
    id: str
    at: datetime
    """When its upload was opened."""
    count: int
    """How much it holds; see `Habit.counts`."""
    duration_s: int

    @property
    def ended_at(self) -> datetime:
        return self.at + timedelta(seconds=self.duration_s)

    @property
    def archived_at(self) -> datetime:
        return self.ended_at + timedelta(seconds=2)


def midnight(now: datetime) -> datetime:
    """When the day of a moment began."""
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)


def make_past_id(moment: datetime, about: str) -> str:
    """An id as the server makes them, the same for the same moment and subject."""
    return f"{moment:%Y%m%dT%H%M%SZ}-{hashlib.sha256(f'{_SEED} {about} {moment}'.encode()).hexdigest()[:6]}"


def all_runs(habit: Habit, now: datetime) -> list[Run]:
    """Every backup of a series that came in the year, the oldest first."""
    begin = midnight(now) - timedelta(days=habit.begins) + timedelta(hours=habit.at.hour, minutes=habit.at.minute)
    end = now - timedelta(days=habit.ended)
    chance = Random(f"{_SEED} {habit.series}")
    first, last = habit.counts
    length = (now - begin).total_seconds()
    runs: list[Run] = []
    number = 0
    while (planned := begin + number * habit.every) <= end:
        number += 1
        at = planned + timedelta(seconds=chance.randrange(4, 150))
        count = round(first + (last - first) * (at - begin).total_seconds() / length + chance.triangular(-2, 2, 0))
        count = max(1, min(count, last))
        run = Run(habit, make_past_id(at, str(habit.series)), at, count, max(2, habit.duration_s * count // last))
        if run.archived_at < end:
            runs.append(run)
    return runs


def last_pruning(now: datetime) -> datetime:
    """When retention ran last."""
    return pruning_after(now - timedelta(days=1))


def last_verification(now: datetime) -> datetime:
    """When backups were last begun to be read again: each night at ten past four, for half an hour at most."""
    tonight = midnight(now) + timedelta(hours=4, minutes=10)
    return tonight if tonight + timedelta(minutes=30) <= now else tonight - timedelta(days=1)


def pruning_after(moment: datetime) -> datetime:
    """When retention ran next after a moment: each day at half past five."""
    today = midnight(moment) + timedelta(hours=5, minutes=30)
    return today if moment < today else today + timedelta(days=1)


def kept_runs(runs: Iterable[Run], now: datetime, pinned: frozenset[str]) -> set[str]:
    """The backups that are there still: what the policy kept when retention ran last, and what came since."""
    pruned_at = last_pruning(now)
    every = list(runs)
    old = [run for run in every if run.archived_at < pruned_at]
    new = {run.id for run in every if run.archived_at >= pruned_at}
    policy: Policy = parse_policy(every[0].habit.policy) if every else Policy()
    plan = make_plan((Candidate(run.id, run.at, is_pinned=run.id in pinned) for run in old), policy, UTC)
    return new | {decision.candidate.id for decision in plan.kept}


def pruned_at(run: Run, now: datetime) -> datetime:
    """When retention removed a backup that is there no more: when it was too old for the days, or hours, that count."""
    span = timedelta(hours=48) if run.habit.every < timedelta(days=1) else timedelta(days=30)
    return min(pruning_after(run.at + span), last_pruning(now))
