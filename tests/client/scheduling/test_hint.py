"""Schedules as people write them, for systemd and for cron."""

from __future__ import annotations

import shutil

import pytest

from thaniya_client.scheduling.hint import parse_schedule
from thaniya_core.errors import WrongUsage
from thaniya_core.system.run import run

SCHEDULES = [
    ("hourly", "*-*-* *:00:00", "0 * * * *", 360),
    ("hourly :15", "*-*-* *:15:00", "15 * * * *", 360),
    ("every 15m", "*-*-* *:00/15:00", "*/15 * * * *", 90),
    ("every 6h", "*-*-* 00/06:00:00", "0 */6 * * *", 1800),
    ("daily", "*-*-* 02:00:00", "0 2 * * *", 1800),
    ("daily 02:30", "*-*-* 02:30:00", "30 2 * * *", 1800),
    ("Daily  9:05", "*-*-* 09:05:00", "5 9 * * *", 1800),
    ("weekly", "Sun *-*-* 02:00:00", "0 2 * * 0", 1800),
    ("weekly wed 23:59", "Wed *-*-* 23:59:00", "59 23 * * 3", 1800),
    ("monthly", "*-*-01 02:00:00", "0 2 1 * *", 1800),
    ("monthly 28 03:00", "*-*-28 03:00:00", "0 3 28 * *", 1800),
]


@pytest.mark.parametrize(("text", "calendar", "cron", "delay_s"), SCHEDULES)
def test_schedules_are_the_same_for_systemd_and_cron(text: str, calendar: str, cron: str, delay_s: int) -> None:
    schedule = parse_schedule(text)
    assert (schedule.calendar, schedule.cron, schedule.default_delay_s) == (calendar, cron, delay_s)


@pytest.mark.parametrize(
    "text",
    [
        *("", "sometimes", "daily 25:00", "daily 2", "weekly foo", "weekly 03:00 sun", "hourly 15", "every"),
        *("every 7h", "every 24h", "every 45m", "every 0m", "monthly 29", "monthly 0", "daily 02:30\nreboot"),
    ],
)
def test_what_is_no_schedule_is_refused_with_how_it_is_written(text: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        parse_schedule(text)
    assert caught.value.hint


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="cannot run here: systemd is not installed")
def test_systemd_understands_every_calendar() -> None:
    calendars = [calendar for _, calendar, _, _ in SCHEDULES]
    run(["systemd-analyze", "calendar", *calendars], timeout_s=60)
