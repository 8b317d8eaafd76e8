"""A plan as a calendar: weeks as columns, a cell a day, drawn by pure functions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta, tzinfo
from enum import IntEnum

from rich.text import Text

from thaniya_core.views import Plan
from thaniya_tui.render import Sign

_MOST_WEEKS = 53
_LABEL = 3
_WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_BLOCKS = 40


class DayMark(IntEnum):
    """What becomes of a day's backups; of several the strongest is shown."""

    REMOVED = 1
    BROKEN = 2
    """What stays of that day is broken."""
    PARTLY = 3
    """Some are kept, others are removed."""
    KEPT = 4


_SIGNS: dict[DayMark | None, Sign] = {
    DayMark.KEPT: ("■", "good"),
    DayMark.PARTLY: ("▪", "good"),
    DayMark.REMOVED: ("✗", "caution"),
    DayMark.BROKEN: ("!", "bad"),
    None: ("·", "faint"),
}
_WORDS = {DayMark.KEPT: "kept", DayMark.PARTLY: "partly", DayMark.REMOVED: "removed", DayMark.BROKEN: "broken"}

Days = Mapping[date, DayMark]


def mark_days(plan: Plan, zone: tzinfo | None = None) -> dict[date, DayMark]:
    """The days that have backups, by the calendar of a zone; None is the machine's own."""
    of_each: defaultdict[date, set[DayMark]] = defaultdict(set)
    for decision in plan.decisions:
        broken = decision.keep and decision.candidate.is_broken
        mark = DayMark.BROKEN if broken else DayMark.KEPT if decision.keep else DayMark.REMOVED
        of_each[decision.candidate.at.astimezone(zone).date()].add(mark)
    return {day: _strongest(marks) for day, marks in of_each.items()}


def _strongest(marks: set[DayMark]) -> DayMark:
    return DayMark.PARTLY if {DayMark.KEPT, DayMark.REMOVED} <= marks else max(marks)


def draw_calendar(days: Days, today: date, width: int) -> list[Text]:
    """The legend, then blocks of as many weeks as there is room for, the newest first; long gaps are left out."""
    lines = list(_legend(days, width))
    weeks = min(max(width - _LABEL, 1), _MOST_WEEKS)
    last = _monday(max([today, *days]))
    for number, first in enumerate(_blocks(days, last, weeks)):
        if number == _MOST_BLOCKS:
            lines.append(Text("and earlier ones", "faint"))
            break
        lines += _draw_block(days, max([today, *days]), first, weeks, width)
    return lines


def _blocks(days: Days, last: date, weeks: int) -> Iterator[date]:
    """The Monday on which each block begins."""
    span = timedelta(weeks=weeks - 1)
    first = _back(last, span)
    yield first
    for day in sorted(days, reverse=True):
        if day < first:
            # The next block ends with this day's week where many have none, and follows on where there is no gap.
            monday = _monday(day)
            following = _back(first, timedelta(weeks=1))
            first = _back(monday if following - monday > span else following, span)
            yield first


def _back(day: date, span: timedelta) -> date:
    return day - span if day - date.min > span else _first_monday()


def _first_monday() -> date:
    return date.min  # the first of January of the year 1 is a Monday


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _legend(days: Days, width: int) -> Iterator[Text]:
    """What the signs mean, and on how many days; in as many lines as that takes."""
    numbers = Counter(days.values())
    parts = [
        Text.assemble(_SIGNS[mark], f" {_WORDS[mark]} ", f"{numbers[mark]:,}")
        for mark in (DayMark.KEPT, DayMark.PARTLY, DayMark.REMOVED, DayMark.BROKEN)
        if numbers[mark] or mark in (DayMark.KEPT, DayMark.REMOVED)
    ]
    parts.append(Text.assemble(_SIGNS[None], " none"))
    line = Text()
    for part in parts:
        if line and line.cell_len + 2 + part.cell_len > width:
            yield _cut(line, width)
            line = Text()
        line = line.append("  ").append_text(part) if line else part.copy()
    if line.cell_len + len("  (days)") <= width:
        line.append("  (days)", "faint")
    yield _cut(line, width)


def _draw_block(days: Days, end: date, first: date, weeks: int, width: int) -> Iterator[Text]:
    yield _cut(_month_line(first, end, weeks), width)
    for weekday, name in enumerate(_WEEKDAYS):
        line = Text(f"{name} ", "faint")
        for week in range(weeks):
            day = _after(first, week * 7 + weekday)
            line.append(*(_SIGNS[days.get(day)] if day is not None and day <= end else (" ", "")))
        yield _cut(line, width)


def _month_line(first: date, end: date, weeks: int) -> Text:
    """The names of the months above the weeks in which they begin; that of January is the year."""
    cells = [" "] * (weeks + 5)
    free_from = 0
    for week in range(weeks):
        monday = _after(first, week * 7)
        sunday = _after(first, week * 7 + 6)
        if monday is None or sunday is None or monday > end:
            break
        begins = sunday.day <= 7
        name = f"'{sunday.year % 100:02}" if begins and sunday.month == 1 else _MONTHS[sunday.month - 1]
        if (begins or week == 0) and week >= free_from and week + len(name) <= weeks + 2:
            # A month that is nearly over where the block begins would leave no room for the next.
            if week == 0 and not begins and (_after(first, 4 * 7) or sunday).month != sunday.month and sunday.day > 14:
                continue
            cells[week : week + len(name)] = name
            free_from = week + len(name) + 1
    return Text(" " * _LABEL + "".join(cells).rstrip(), "faint")


def _after(day: date, days: int) -> date | None:
    """So many days later; None past the end of the calendar."""
    return date.fromordinal(day.toordinal() + days) if day.toordinal() + days <= date.max.toordinal() else None


def _cut(line: Text, width: int) -> Text:
    line.truncate(max(width, 0))
    return line
