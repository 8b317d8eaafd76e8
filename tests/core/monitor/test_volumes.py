"""The rules about volumes, and how a volume fills."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.config import CheckLimits
from thaniya_core.model import Severity, Volume
from thaniya_core.monitor import SeriesFacts, ServerFacts, VolumeFacts, examine
from thaniya_core.monitor.changes import compare
from thaniya_core.monitor.growth import days_until_full, growth_per_day
from thaniya_core.monitor.summary import Arrived
from thaniya_core.system.space import DiskSpace

GIB = 1024**3
DISK = Volume("disk", "first", Path("/disk"))
LIMITS = CheckLimits(service_within=0)


def arrived(make, *sizes_by_age):
    """So many bytes on each day, today first."""
    return [
        Arrived("disk", make.now - timedelta(days=age, hours=1), size) for age, size in enumerate(sizes_by_age) if size
    ]


@pytest.mark.parametrize(
    ("sizes_by_age", "expected"),
    [
        ([], None),
        ([5] * 7, None),  # not a week yet
        ([5] * 8, 5),
        ([5] * 28, 5),
        ([0] * 27 + [900], 0),  # the first full backup alone
        ([100, *[0] * 8, 1], 450 / 82.5),  # today counts
        ([7] * 14 + [0] * 13 + [900], None),  # None: only that it is between
    ],
)
def test_growth_is_a_line_through_the_size_at_each_days_end(make, sizes_by_age, expected):
    slope = growth_per_day(arrived(make, *sizes_by_age), make.now)
    if sizes_by_age[-1:] == [900] and sizes_by_age[0]:
        assert slope is not None
        assert 3 < slope < 7
    elif expected is None:
        assert slope is None
    else:
        assert slope == pytest.approx(expected)


def test_what_came_before_the_window_or_later_than_now_is_no_growth(make):
    old = [Arrived("disk", make.now - timedelta(days=29), 10**12), Arrived("disk", make.now + make.day, 10**12)]
    assert growth_per_day([*old, *arrived(make, *[5] * 10)], make.now) == pytest.approx(5)


@given(st.lists(st.integers(0, 10**12), min_size=8, max_size=28), st.integers(2, 9))
def test_growth_scales_and_is_never_negative(make, sizes, factor):
    once = growth_per_day(arrived(make, *sizes), make.now)
    more = growth_per_day(arrived(make, *(size * factor for size in sizes)), make.now)
    assert (once is None) == (more is None)
    if once is not None and more is not None:
        assert once >= 0
        assert more == pytest.approx(once * factor)


def test_days_until_full():
    assert days_until_full(100, 10.0) == 10
    assert days_until_full(100, 0.0) is None
    assert days_until_full(100, None) is None


def check(make, facts, series=(), limits=LIMITS):
    return check_all(make, (facts,), series, limits)


def check_all(make, volumes, series=(), limits=LIMITS):
    report = examine(series, ServerFacts(make.now, slots=(), volumes=volumes), limits)
    return {finding.code: finding for finding in report.findings if "volume" in finding.code}


def test_volumes_of_one_label_are_told_apart(make):
    volumes = tuple(
        VolumeFacts(Volume(volume_id, label, Path("/disks") / volume_id / "backup"))
        for volume_id, label in (("one", "backup"), ("two", "backup"), ("three", "attic"))
    )
    report = examine([], ServerFacts(make.now, volumes=volumes), LIMITS)
    gone = [finding for finding in report.findings if finding.code == "volume_gone"]

    assert [finding.subject for finding in gone] == ["attic", "backup one", "backup two"]
    told = compare([], gone, make.now, remind_s=0).alerts
    assert compare(told, gone, make.now + make.day, remind_s=0).changes == ()  # each was told once


def space(free, total=100 * GIB, free_files=900, total_files=1000):
    low_bytes, low_files = 10 * GIB, total_files // 10
    return VolumeFacts(DISK, DiskSpace(total, free, total_files, free_files), low_bytes=low_bytes, low_files=low_files)


@pytest.mark.parametrize(
    ("facts", "severity", "told"),
    [
        (space(50 * GIB), None, ""),
        (space(9 * GIB), Severity.WARNING, "9.0 GiB of 100.0 GiB are free (9.0%)"),
        (space(2 * GIB), Severity.CRITICAL, "2.0%"),
        (space(0, total=0), Severity.CRITICAL, ""),
        (space(50 * GIB, free_files=90), Severity.WARNING, "90 of 1000 inodes are free (9.0%)"),
        (space(50 * GIB, free_files=20), Severity.CRITICAL, "20 of 1000 inodes are free"),
        (space(9 * GIB, total=15 * GIB, free_files=500), Severity.WARNING, "9.0 GiB of 15.0 GiB are free (60.0%)"),
        (space(50 * GIB, free_files=0, total_files=0), None, ""),  # a file system without that limit
    ],
)
def test_volume_without_room_is_told_before_nothing_fits(make, facts, severity, told):
    full = check(make, facts).get("volume_full")
    assert (full.severity if full else None) == severity
    assert not told or told in full.text


def test_volume_that_is_gone_is_told_and_one_out_of_use_less_loudly(make):
    gone = check(make, VolumeFacts(DISK))["volume_gone"]
    assert (gone.severity, gone.text) == (Severity.CRITICAL, "it is not at /disk")
    assert "mount its disk at /disk" in gone.cure
    inactive = VolumeFacts(replace(DISK, active=False), problem="it did not answer within 5 s")
    hung = check_all(make, (inactive, space(50 * GIB)))["volume_gone"]
    assert (hung.severity, hung.text) == (Severity.WARNING, "it did not answer within 5 s")


def growing(make, **fields) -> SeriesFacts:
    """A gibibyte a day."""
    return make.facts(*make.daily(40, size=GIB), **fields)


def test_volume_that_will_be_full_soon_is_told(make):
    filling = check(make, space(13 * GIB), [growing(make)])["volume_filling"]
    assert filling.severity is Severity.WARNING
    assert filling.text == "it is full in 13 d: 13.0 GiB are free, and 1.0 GiB a day come to stay"
    assert check(make, space(15 * GIB), [growing(make)]) == {}
    assert check(make, space(13 * GIB), [growing(make)], CheckLimits(full_within=0, service_within=0)) == {}


def test_volume_out_of_use_may_be_full(make):
    inactive = VolumeFacts(replace(DISK, active=False), DiskSpace(100 * GIB, GIB, 0, 0))
    assert check_all(make, (inactive, space(50 * GIB)), [growing(make)]) == {}


def test_server_on_which_no_volume_takes_backups_is_told(make):
    inactive = VolumeFacts(replace(DISK, active=False), DiskSpace(100 * GIB, 50 * GIB, 0, 0))
    found = check_all(make, (inactive, inactive))
    assert set(found) == {"no_usable_volume"}
    assert found["no_usable_volume"].severity is Severity.CRITICAL
    assert found["no_usable_volume"].text.startswith("none of 2 volumes takes new backups")
    assert check_all(make, ())["no_usable_volume"].text.startswith("there is no volume")
    assert check_all(make, (inactive, space(50 * GIB))) == {}


def test_series_whose_old_backups_are_removed_does_not_fill_a_volume(make):
    """What its catalog shows, the backups of the last weeks and none before, looks like growth and is none."""
    assert check(make, space(13 * GIB), [growing(make, is_pruned=True)]) == {}
