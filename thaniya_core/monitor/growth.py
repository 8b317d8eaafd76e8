"""How a volume fills: a straight line through what came onto it in the last weeks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import floor

from thaniya_core.monitor.summary import Arrived

GROWTH_WINDOW = timedelta(weeks=4)
"""So far back bytes are a sign of growth."""

_DAY_S = 86400
_LEAST_DAYS = 7
"""A line takes so many days; a first full backup says nothing of the days to come."""


def growth_per_day(arrived: Iterable[Arrived], now: datetime) -> float | None:
    """Bytes a day by which a volume grows: the slope of the line of least squares through its size at each day's end.

    Days are counted back from now. What came on the first day of all is where the line begins, not growth.

    Args:
        arrived: what came onto one volume within GROWTH_WINDOW, and stays.
        now: the time.

    Returns:
        None when there is less than a week to look at.
    """
    by_age: dict[int, int] = {}
    for each in arrived:
        age = floor((now - each.at).total_seconds() / _DAY_S)
        if 0 <= age < GROWTH_WINDOW.days:
            by_age[age] = by_age.get(age, 0) + each.size_bytes
    if not by_age or (days := max(by_age)) < _LEAST_DAYS:
        return None
    sizes = []
    size = 0
    for age in range(days, -1, -1):
        size += by_age.get(age, 0)
        sizes.append(size)
    return _slope(sizes)


def days_until_full(free_bytes: int, per_day: float | None) -> float | None:
    """How many days the free space lasts at this growth; None when it does not grow, or nobody can tell."""
    return free_bytes / per_day if per_day is not None and per_day >= 1 else None


def _slope(values: list[int]) -> float:
    middle_x = (len(values) - 1) / 2
    middle_y = sum(values) / len(values)
    rise = sum((x - middle_x) * (value - middle_y) for x, value in enumerate(values))
    return rise / sum((x - middle_x) ** 2 for x in range(len(values)))
