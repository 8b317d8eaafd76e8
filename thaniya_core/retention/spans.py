"""Spans of the calendar, as `keep-within` takes them: `1y6m7d12h`."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta, tzinfo

from msgspec import Struct

from thaniya_core.errors import WrongUsage

_SPAN = re.compile(r"(?:(\d{1,3})y)?(?:(\d{1,4})m)?(?:(\d{1,5})d)?(?:(\d{1,6})h)?", re.ASCII)


class Span(Struct, frozen=True):
    """Years, months and days of the calendar, and hours."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    def __bool__(self) -> bool:
        return bool(self.years or self.months or self.days or self.hours)

    def __str__(self) -> str:
        parts = ((self.years, "y"), (self.months, "m"), (self.days, "d"), (self.hours, "h"))
        return "".join(f"{number}{unit}" for number, unit in parts if number)

    def before(self, moment: datetime, zone: tzinfo | None) -> datetime:
        """The time that lies so far before a moment, by the calendar of a zone; None is the machine's own.

        A day that a month does not have becomes its last: a month before 31 March is 28 February.
        """
        local = moment.astimezone(zone)
        month = local.year * 12 + local.month - 1 - (self.years * 12 + self.months)
        year, month = divmod(month, 12)
        if year < 1:
            return datetime.min.replace(tzinfo=moment.tzinfo)
        day = min(local.day, calendar.monthrange(year, month + 1)[1])
        try:
            # Without a zone, so that days are those of the calendar and not of 24 hours.
            wall = local.replace(year=year, month=month + 1, day=day, tzinfo=None) - timedelta(days=self.days)
            started = wall.astimezone() if zone is None else wall.replace(tzinfo=zone)
            return started.astimezone(moment.tzinfo) - timedelta(hours=self.hours)
        except (OverflowError, ValueError):
            return datetime.min.replace(tzinfo=moment.tzinfo)


def parse_span(text: str) -> Span:
    """Read a span: years, months, days, hours, in this order, each at most once.

    Raises:
        WrongUsage: the text is not a span, or an empty one.
    """
    match = _SPAN.fullmatch(text.strip().lower())
    span = Span(*(int(number or 0) for number in match.groups())) if match else Span()
    if not span:
        raise WrongUsage(
            f"{text!r} is not a span of time",
            hint="write it like 12h, 7d, 6m or 1y6m7d12h (years, months, days, hours)",
        )
    return span
