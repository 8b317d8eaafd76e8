"""Which backups are read again now."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.archive.due import choose_due, choose_sample, last_reading, older_than
from thaniya_core.formats.manifest import BackupFile, Manifest, SumsBy, make_document
from thaniya_core.formats.names import Series
from thaniya_core.model import Backup

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = 30 * DAY
NO_LIMIT = 10**18


def _backup(number: int, read_ago: timedelta, size: int = 1000, verified: bool = True) -> Backup:
    archived_at = NOW - 1000 * DAY if verified else NOW - read_ago
    document = make_document(
        Series("alice", "web1", "nightly"),
        f"20260101T000000Z-{number:06x}",
        (BackupFile("a", "0" * 64, size),),
        Manifest(()),
        sums_by=SumsBy.SERVER,
        created_at=archived_at,
        completed_at=archived_at,
        archived_at=archived_at,
    )
    return Backup(document, "v", verified_at=NOW - read_ago if verified else None)


def _due(backups, every=MONTH, horizon=timedelta(0), limit=NO_LIMIT, now=NOW) -> list[str]:
    return [reading.backup_id[-6:] for reading in choose_due(map(last_reading, backups), now, every, horizon, limit)]


def test_single_backup_is_due_when_its_time_has_come():
    assert _due([_backup(1, MONTH - DAY)]) == []
    assert _due([_backup(1, MONTH)]) == ["000001"]


def test_what_becomes_late_before_the_next_run_is_due_now():
    assert _due([_backup(1, MONTH - DAY)], horizon=DAY) == ["000001"]


def test_archiving_counts_as_reading():
    backup = _backup(1, MONTH - DAY, verified=False)

    assert last_reading(backup).at == backup.document.archived_at
    assert _due([backup]) == []
    assert _due([_backup(1, MONTH, verified=False)]) == ["000001"]


def test_longest_ago_comes_first():
    assert _due([_backup(1, 40 * DAY), _backup(2, 60 * DAY), _backup(3, 50 * DAY)]) == ["000002", "000003", "000001"]


def test_nothing_is_due_without_a_period():
    assert _due([_backup(1, 60 * DAY)], every=timedelta(0)) == []
    assert _due([]) == []


def test_bytes_of_a_run_are_bounded_but_something_is_always_read():
    late = [_backup(number, 60 * DAY, size=1000) for number in range(5)]

    assert _due(late, limit=2500) == ["000000", "000001"]
    assert _due(late, limit=10) == ["000000"]


def test_time_in_the_future_says_nothing():
    assert _due([_backup(1, -DAY)]) == ["000001"]


def _simulate(backups: list[Backup], days: int, limit: int = NO_LIMIT) -> tuple[list[int], timedelta]:
    """Runs once a day; gives the bytes of each run, and the longest time that any backup was not read."""
    held = {backup.id: backup for backup in backups}
    runs: list[int] = []
    longest = timedelta(0)
    for day in range(days):
        now = NOW + day * DAY
        longest = max([longest, *(now - last_reading(backup).at for backup in held.values())])
        due = choose_due(map(last_reading, held.values()), now, MONTH, DAY, limit)
        runs.append(sum(reading.size_bytes for reading in due))
        held |= {reading.backup_id: replace(held[reading.backup_id], verified_at=now) for reading in due}
    return runs, longest


def test_archive_that_was_read_in_one_night_is_read_evenly_from_then_on():
    runs, longest = _simulate([_backup(number, timedelta(0)) for number in range(300)], 120)

    assert longest <= MONTH
    assert max(runs) <= 12 * 1000
    assert sum(runs) >= 3 * 300 * 1000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 29), st.integers(1, 50)), min_size=1, max_size=60),
)
def test_each_is_read_within_its_time_and_no_run_is_much_more_than_its_share(found):
    backups = [_backup(number, days * DAY, size * 1000) for number, (days, size) in enumerate(found)]

    runs, longest = _simulate(backups, 100)

    assert longest <= MONTH
    late_at_once = [backup for backup in backups if NOW - last_reading(backup).at >= MONTH - 2 * DAY]
    total, largest = sum(map(_size, backups)), max(map(_size, backups))
    assert sum(runs) <= 100 / 30 * total + total + 100 * largest
    if not late_at_once:
        assert runs[0] <= total


def _size(backup: Backup) -> int:
    return backup.document.stored_bytes


def test_backups_that_were_read_longer_ago_are_chosen():
    backups = [_backup(1, 10 * DAY), _backup(2, 31 * DAY), _backup(3, 40 * DAY, verified=False), _backup(4, MONTH)]

    old = older_than(map(last_reading, backups), NOW, MONTH)
    assert [reading.backup_id[-6:] for reading in old] == ["000003", "000002"]


@pytest.mark.parametrize(("percent", "count"), [(5, 1), (0.1, 1), (50, 5), (51, 6), (100, 10)])
def test_sample_is_a_part_by_chance(percent, count):
    readings = [last_reading(_backup(number, DAY)) for number in range(10)]

    chosen = choose_sample(readings, percent, random.Random(7))

    assert len({reading.backup_id for reading in chosen}) == count
    assert chosen == [reading for reading in readings if reading in chosen]


def test_samples_differ():
    readings = [last_reading(_backup(number, DAY)) for number in range(100)]

    samples = [
        tuple(reading.backup_id for reading in choose_sample(readings, 5, random.Random(seed))) for seed in range(5)
    ]

    assert len(set(samples)) == 5
    assert choose_sample([], 5, random.Random(1)) == []
