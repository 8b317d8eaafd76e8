"""What a retention policy says: how many backups of which period are kept, and for how long all of them.

Names and meaning are those that the field shares (`keep-daily=7`); a policy is written as text on a command line and as
a table in TOML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from thaniya_core.errors import WrongUsage
from thaniya_core.retention.spans import Span, parse_span

ALL = -1
"""As a count: without end."""

_ALL_WORD = "all"
_MAX_COUNT = 1_000_000
_PART = re.compile(r"([A-Za-z-]+)\s*=\s*([^\s,=]+)")
_MINIMUM = "minimum"


class Period(StrEnum):
    """What a rule keeps one backup of."""

    LAST = "last"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"


_WITHIN = "keep-within"
_COUNT_KEYS = {f"keep-{period}": period for period in Period}
_WITHIN_KEYS = {_WITHIN: Period.LAST} | {f"{_WITHIN}-{period}": period for period in Period if period != Period.LAST}
KEYS = (*_COUNT_KEYS, *_WITHIN_KEYS, _MINIMUM)
"""All that a policy may name."""


class Policy(Struct, frozen=True):
    """What is kept. Rules are OR-ed, and each counts by itself; a policy without rules keeps everything."""

    counts: tuple[tuple[Period, int], ...] = ()
    """How many of each period, or ALL; in the order of Period, none of them 0."""
    within: tuple[tuple[Period, Span], ...] = ()
    """How far back from the newest backup one of each period is kept; LAST keeps every backup."""
    minimum: int = 0
    """So many good backups stay whatever the rules say."""

    @property
    def keeps_everything(self) -> bool:
        """Whether there is no rule at all."""
        return not self.counts and not self.within

    def __bool__(self) -> bool:
        return not self.keeps_everything

    def __str__(self) -> str:
        """The policy as `parse_policy` reads it."""
        return " ".join(f"{key}={value}" for key, value in self._parts())

    def _parts(self) -> Iterator[tuple[str, str]]:
        for period, count in self.counts:
            yield f"keep-{period}", _ALL_WORD if count == ALL else str(count)
        for period, span in self.within:
            yield next(key for key, each in _WITHIN_KEYS.items() if each is period), str(span)
        if self.minimum:
            yield _MINIMUM, str(self.minimum)


def parse_policy(text: str) -> Policy:
    """Read a policy: `keep-daily=7 keep-weekly=4`, parted by spaces or commas; an empty text keeps everything.

    Raises:
        WrongUsage: what is wrong with it, and how it is written.
    """
    rest = _PART.sub("", text)
    if rest.strip(" \t\n,"):
        raise WrongUsage(f"{rest.strip()!r} is no part of a policy", hint='write it like "keep-daily=7 keep-weekly=4"')
    values: dict[str, object] = {}
    for key, value in _PART.findall(text):
        if key in values:
            raise WrongUsage(f"{key} is given twice", hint="give it once")
        values[key] = value
    return make_policy(values)


def make_policy(values: Mapping[str, object]) -> Policy:
    """A policy from keys and values, as a table in TOML has them.

    Raises:
        WrongUsage: an unknown key, a value of the wrong kind, or rules that keep nothing.
    """
    unknown = [key for key in values if key not in KEYS]
    if unknown:
        raise WrongUsage(f"a policy knows no {unknown[0]}", hint=f"it knows {', '.join(KEYS)}")
    counts = {period: _parse_count(key, values[key]) for key, period in _COUNT_KEYS.items() if key in values}
    within = {period: _parse_within(key, values[key]) for key, period in _WITHIN_KEYS.items() if key in values}
    minimum = _parse_count(_MINIMUM, values.get(_MINIMUM, 0))
    if minimum == ALL:
        raise WrongUsage(f"{_MINIMUM} needs a number", hint="a policy without rules keeps everything")
    if counts and not within and not any(counts.values()):
        raise WrongUsage(
            "this policy keeps nothing: all its counts are 0", hint="give a count, or no policy to keep everything"
        )
    return Policy(tuple((period, count) for period, count in counts.items() if count), tuple(within.items()), minimum)


def _parse_count(key: str, value: object) -> int:
    if value == _ALL_WORD:
        return ALL
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_COUNT:
        raise WrongUsage(f"{key}={value} is not understood", hint=f"give a number of backups, or {_ALL_WORD}")
    return value


def _parse_within(key: str, value: object) -> Span:
    if not isinstance(value, str):
        raise WrongUsage(f"{key}={value} is not understood", hint="write a span of time like 7d or 1y6m")
    try:
        return parse_span(value)
    except WrongUsage as error:
        raise WrongUsage(f"{key}: {error.message}", hint=error.hint) from error
