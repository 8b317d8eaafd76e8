"""What became of a series' backups on each day."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.config import CheckLimits
from thaniya_core.model import Expectation, UploadState
from thaniya_core.monitor import examine_series, expected_rhythm
from thaniya_core.monitor.calendar import DayState, LocalDays, day_states

DAYS = 10
SIGNS = {DayState.DONE: "#", DayState.FAILED: "!", DayState.LATE: "-", DayState.NONE: "."}
HOUR = timedelta(hours=1)


def calendar(facts, now, *, learn=True, zone=UTC, count=DAYS):
    last = facts.last_good
    states = day_states(
        facts,
        expected_rhythm(facts, learn=learn),
        last.document.created_at if last is not None else None,
        LocalDays(now, count, zone),
        now,
    )
    return "".join(SIGNS[state] for state in states)


@pytest.fixture
def on(make):
    """The moment so many days ago, at two in the morning unless told otherwise; now it is noon."""
    return lambda ago, hour=2: make.now.replace(hour=hour) - make.day * ago


def test_days_end_at_midnight_of_the_servers_own_clocks():
    berlin = ZoneInfo("Europe/Berlin")
    days = LocalDays(datetime(2026, 10, 25, 23, 30, tzinfo=UTC), 3, berlin)  # the day before had 25 hours
    assert (days.count, days.today) == (3, date(2026, 10, 26))
    moments = [datetime(2026, 10, day, hour, 59, tzinfo=UTC) for day, hour in ((23, 21), (23, 22), (24, 22), (25, 22))]
    assert [days.number_of(moment) for moment in moments] == [-1, 0, 1, 1]
    assert days.number_of(datetime(2026, 10, 25, 23, 0, tzinfo=UTC)) == 2
    assert days.number_of(datetime(2026, 10, 26, 23, 0, tzinfo=UTC)) == 3


def test_days_of_the_machine_are_used_unless_told(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")  # 14 hours ahead
    time.tzset()
    try:
        days = LocalDays(datetime(2026, 11, 24, 12, tzinfo=UTC), 2)
        assert days.today == date(2026, 11, 25)
        assert [days.number_of(datetime(2026, 11, 24, hour, tzinfo=UTC)) for hour in (9, 10)] == [0, 1]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_daily_series(make, on):
    backups = [make.backup(on(ago)) for ago in range(20)]
    assert calendar(make.facts(*backups), make.now) == "##########"
    assert calendar(make.facts(*backups[3:]), make.now) == "#######---"
    gap = [*backups[:2], *backups[5:]]
    assert calendar(make.facts(*gap), make.now) == "#####---##"
    assert calendar(make.facts(), make.now) == ".........."


def test_before_the_first_backup_there_is_nothing(make, on):
    backups = [make.backup(on(ago)) for ago in range(4)]
    assert calendar(make.facts(*backups, expectation=make.expect(make.day)), make.now) == "......####"


def test_today_is_late_only_when_it_is_late_now(make, on):
    rhythm = make.expect(make.day, 6 * HOUR)
    backups = [make.backup(on(ago, hour=10)) for ago in range(1, 20)]
    series = make.facts(*backups, expectation=rhythm)
    assert calendar(series, make.now.replace(hour=15)) == "#########."  # due at ten, until four
    assert calendar(series, make.now.replace(hour=17)) == "#########-"


def test_yesterday_is_not_late_while_grace_lasts(make, on):
    backups = [make.backup(on(ago, hour=22)) for ago in range(2, 20)]
    series = make.facts(*backups, expectation=make.expect(make.day, 6 * HOUR))
    assert calendar(series, make.now.replace(hour=3)) == "########.."
    assert calendar(series, make.now.replace(hour=5)) == "########--"


def test_weekly_series_is_late_from_the_day_it_was_due_until_it_comes(make, on):
    series = make.facts(
        *(make.backup(on(ago)) for ago in (1, 12, 19)), expectation=make.expect(make.day * 7, make.day * 2)
    )
    assert calendar(series, make.now, count=14) == ".#......----#."


def test_learned_pauses_are_not_late(make, on):
    """A series of working days; now it is Tuesday."""
    backups = [make.backup(on(ago)) for ago in range(1, 29) if on(ago).weekday() < 5]
    assert calendar(make.facts(*backups), make.now, count=9) == "#####..#."
    assert calendar(make.facts(*backups[1:]), make.now, count=9) == "#####..--"


def test_failures_show_unless_a_good_backup_came_too(make, on):
    tried = [
        make.upload(on(ago), state)
        for ago, state in enumerate(
            (UploadState.REJECTED, UploadState.FAILED, UploadState.EXPIRED, UploadState.ABORTED, UploadState.REJECTED)
        )
    ]
    series = make.facts(make.backup(on(4, hour=5)), make.backup(on(5), broken="damaged"), ended=tuple(tried))
    assert calendar(series, make.now) == "....!#!!!!"


def test_backups_that_were_removed_meanwhile_count_broken_ones_do_not(make, on):
    history = tuple(make.upload(on(ago), UploadState.ARCHIVED, number=0) for ago in range(4))
    broken = make.backup(on(1), broken="damaged")
    assert broken.id == history[1].id
    series = make.facts(make.backup(on(0)), broken, ended=history)
    assert calendar(series, make.now) == "......##!#"


def test_nothing_is_late_of_a_series_that_nothing_is_expected_of(make, on):
    backups = [make.backup(on(ago)) for ago in range(5, 20)]
    assert calendar(make.facts(*backups), make.now).endswith("-----")
    assert calendar(make.facts(*backups), make.now, learn=False).endswith(".....")
    retired = Expectation(str(make.series), make.now)
    assert calendar(make.facts(*backups, expectation=retired), make.now).endswith(".....")


def test_series_that_never_came_is_late_from_when_it_was_expected_first(make, on):
    series = make.facts(expectation=make.expect(make.day, since=on(4, hour=10)))
    assert calendar(series, make.now) == "......----"


def test_backup_of_the_future_is_shown_nowhere_and_does_not_make_late(make):
    series = make.facts(make.backup(make.now + make.day * 3), expectation=make.expect(make.day))
    assert calendar(series, make.now) == ".........."


MOMENTS = st.lists(st.integers(0, 40 * 24).map(lambda hours: timedelta(hours=hours)), max_size=30, unique=True)
STATES = st.sampled_from([state for state in UploadState if state.is_ended])


@settings(deadline=None)
@given(
    good=MOMENTS,
    broken=MOMENTS,
    ended=st.lists(st.tuples(st.integers(0, 40 * 24), STATES), max_size=20),
    data=st.data(),
)
def test_calendar_agrees_with_the_backups_and_with_the_check(make, good, broken, ended, data):
    every = data.draw(st.none() | st.integers(1, 10))
    facts = make.facts(
        *(make.backup(make.now - ago, number=1) for ago in good),
        *(make.backup(make.now - ago, number=2, broken="damaged") for ago in broken),
        ended=tuple(make.upload(make.now - HOUR * ago, state, number=3) for ago, state in ended),
        expectation=make.expect(make.day * every, 6 * HOUR, since=make.now - make.day * 3) if every else None,
    )
    shown = calendar(facts, make.now, count=30)
    days = LocalDays(make.now, 30, UTC)
    done = {days.number_of(make.now - ago) for ago in good}
    done |= {days.number_of(make.now - HOUR * ago) for ago, state in ended if state is UploadState.ARCHIVED}
    assert {number for number, sign in enumerate(shown) if sign == "#"} == done - {-1}
    is_late = any(
        finding.code in ("series_late", "series_missing") for finding in examine_series(facts, CheckLimits(), make.now)
    )
    assert (shown[-1] == "-") == (is_late and shown[-1] not in "#!")
    turned = replace(facts, backups=facts.backups[::-1], ended=facts.ended[::-1])
    assert calendar(turned, make.now, count=30) == shown
    if expected_rhythm(facts, learn=True) is None:
        assert "-" not in shown
