"""When a profile should run, as people write it: `daily 02:30`. And the same for systemd and for cron."""

from __future__ import annotations

import re

from msgspec import Struct

from thaniya_core.errors import WrongUsage

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PATTERN = re.compile(
    r"every (?P<minutes>[0-9]{1,2})m|every (?P<hours>[0-9]{1,2})h|hourly(?: :(?P<minute>[0-5][0-9]))?"
    r"|(?:daily|weekly(?: (?P<weekday>[a-z]{3}))?|monthly(?: (?P<day>[0-9]{1,2}))?)"
    r"(?: (?P<clock>[01]?[0-9]|2[0-3]):(?P<past>[0-5][0-9]))?"
)
_EXAMPLES = "`hourly`, `hourly :15`, `every 15m`, `every 6h`, `daily 02:30`, `weekly sun 03:00` or `monthly 1 03:00`"
_AT_HOUR = "2"
_HOUR_S = 3600
_LONGEST_DELAY_S = 1800


class Schedule(Struct, frozen=True):
    """When something runs, in this machine's local time."""

    calendar: str
    """For systemd, as in systemd.time(7)."""
    cron: str
    """For cron, as in crontab(5): minute, hour, day, month, weekday."""
    interval_s: int
    """About how long it is from one run to the next."""

    @property
    def default_delay_s(self) -> int:
        """A random delay that fits: a tenth of the interval, half an hour at the most."""
        return min(_LONGEST_DELAY_S, self.interval_s // 10)


def parse_schedule(text: str) -> Schedule:
    """Read a schedule. Without a time of day it is 02:00, without a weekday Sunday, without a day the first.

    Raises:
        WrongUsage: it is none; the hint shows how they are written.
    """
    match = _PATTERN.fullmatch(" ".join(text.lower().split()))
    if match is None:
        raise _not_understood(text)
    kind = match[0].split()[0]
    if kind == "hourly":
        minute = int(match["minute"] or 0)
        return Schedule(f"*-*-* *:{minute:02d}:00", f"{minute} * * * *", _HOUR_S)
    if kind == "every":
        return _every(text, int(match["minutes"] or 0), int(match["hours"] or 0))
    hour, minute = int(match["clock"] or _AT_HOUR), int(match["past"] or 0)
    time = f"{hour:02d}:{minute:02d}:00"
    if kind == "daily":
        return Schedule(f"*-*-* {time}", f"{minute} {hour} * * *", 24 * _HOUR_S)
    if kind == "weekly":
        weekday = match["weekday"] or "sun"
        if weekday not in _DAYS:
            raise _not_understood(text)
        cron = f"{minute} {hour} * * {_DAYS.index(weekday)}"
        return Schedule(f"{weekday.capitalize()} *-*-* {time}", cron, 7 * 24 * _HOUR_S)
    day = int(match["day"] or 1)
    if not 1 <= day <= 28:
        raise WrongUsage(f"{text!r} has a day that not every month has", hint="take one from 1 to 28")
    return Schedule(f"*-*-{day:02d} {time}", f"{minute} {hour} {day} * *", 28 * 24 * _HOUR_S)


def _every(text: str, minutes: int, hours: int) -> Schedule:
    if minutes and 60 % minutes == 0 and minutes < 60:
        return Schedule(f"*-*-* *:00/{minutes:02d}:00", f"*/{minutes} * * * *", minutes * 60)
    if hours and 24 % hours == 0 and hours < 24:
        return Schedule(f"*-*-* 00/{hours:02d}:00:00", f"0 */{hours} * * *", hours * _HOUR_S)
    raise WrongUsage(
        f"{text!r} does not come out even", hint="take 1, 2, 3, 4, 6, 8 or 12 hours, or a part of an hour such as 15m"
    )


def _not_understood(text: str) -> WrongUsage:
    return WrongUsage(f"{text!r} is not a schedule", hint=f"written like {_EXAMPLES}")
