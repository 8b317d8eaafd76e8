"""When the next backup is expected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.model import Expectation, UploadState
from thaniya_core.monitor.rhythm import Rhythm, expected_rhythm, learn_rhythm

MONDAY = datetime(2026, 11, 2, 2, tzinfo=UTC)
HOUR = 3600
DAY = 86400


def at(*days: float) -> list[datetime]:
    return [MONDAY + timedelta(days=day) for day in days]


def test_daily_series_is_learned_with_a_quarter_as_grace():
    assert learn_rhythm(at(*range(12))) == Rhythm(DAY, DAY + 6 * HOUR, is_learned=True)


@pytest.mark.parametrize(
    "times",
    [
        [],
        at(0),
        at(*range(6)),
        at(*range(8)),  # one weekend at most
        at(*(hour / 24 for hour in range(40))),
        at(0, 1, 2, 3, 4, 4.1, 4.2, 4.3),  # a week has not passed
        at(0, 1, 5, 5.2, 9, 20, 21, 40, 41.5, 44, 60),  # by hand, now and then
        at(0, 10, *[10] * 9),  # many at the same moment
    ],
)
def test_too_few_or_irregular_backups_teach_nothing(times):
    assert learn_rhythm(times) is None


def test_series_of_working_days_may_rest_at_the_weekend():
    working = at(*(day for day in range(19) if day % 7 < 5))  # three weeks, the last is a Friday
    rhythm = learn_rhythm(working)
    assert rhythm == Rhythm(DAY, 3 * DAY + 6 * HOUR, is_learned=True)


def test_hourly_series_of_office_hours_may_rest_at_night_and_at_the_weekend():
    times = [MONDAY + timedelta(days=day, hours=hour) for day in range(19) if day % 7 < 5 for hour in range(7, 17)]
    rhythm = learn_rhythm(times)
    assert rhythm is not None
    assert rhythm.every_s == HOUR
    assert 62 * HOUR < rhythm.allowed_s < 64 * HOUR


def test_one_outage_does_not_teach_that_outages_are_usual():
    times = at(*range(10), *range(15, 25))
    assert learn_rhythm(times) == Rhythm(DAY, DAY + 6 * HOUR, is_learned=True)


def test_weekly_series_is_learned():
    assert learn_rhythm(at(*range(0, 84, 7))) == Rhythm(7 * DAY, 7 * DAY + 42 * HOUR, is_learned=True)


def test_two_backups_on_one_day_do_not_disturb_a_daily_rhythm():
    rhythm = learn_rhythm(sorted([*at(*range(14)), *at(8.01)]))
    assert rhythm is not None
    assert abs(rhythm.every_s - DAY) < HOUR


def test_backups_that_retention_removed_count_still(make):
    """Thinned out to one a week, what is left of a daily series looks like a weekly one."""
    days = make.daily(30)
    kept = [*days[0:28:7], *days[-4:]]
    history = tuple(make.upload(each.document.created_at, UploadState.ARCHIVED, number=0) for each in days)
    assert expected_rhythm(make.facts(*kept, ended=history), learn=True) == Rhythm(DAY, DAY + 6 * HOUR, is_learned=True)


def test_failed_uploads_are_no_part_of_the_rhythm(make):
    failed = tuple(make.upload(make.now - make.day * day, UploadState.FAILED) for day in range(20))
    assert expected_rhythm(make.facts(ended=failed), learn=True) is None


def test_what_was_said_goes_before_what_is_learned(make):
    series = make.facts(*make.daily(20), expectation=make.expect(timedelta(days=7), timedelta(hours=1)))
    assert expected_rhythm(series, learn=True) == Rhythm(7 * DAY, 7 * DAY + HOUR)
    retired = replace(series, expectation=Expectation(str(make.series), make.now))
    assert expected_rhythm(retired, learn=True) is None


def test_nothing_is_learned_unasked_or_of_a_user_who_may_not_back_up(make):
    series = make.facts(*make.daily(20))
    assert expected_rhythm(series, learn=True) is not None
    assert expected_rhythm(series, learn=False) is None
    assert expected_rhythm(replace(series, user_is_enabled=False), learn=True) is None


@given(st.lists(st.integers(0, 90 * DAY), max_size=60))
def test_a_rhythm_allows_at_least_its_interval(offsets):
    rhythm = learn_rhythm(sorted(MONDAY + timedelta(seconds=offset) for offset in offsets))
    if rhythm is not None:
        assert 0 < rhythm.every_s < rhythm.allowed_s
