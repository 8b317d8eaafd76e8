"""Sizes and durations as people write them: `10G`, `1.5 TiB`, `90s`, `1h30m`."""

from __future__ import annotations

import re
from fractions import Fraction

from thaniya_core.errors import WrongUsage

_SIZE = re.compile(r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,9})?)\s*(?P<unit>[kmgtp]?)(?:i?b)?", re.IGNORECASE)
_PART_OF_WHOLE = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,3})?)\s*%")
_UNITS = ["", "k", "m", "g", "t", "p"]
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%?")
_SECONDS_ONLY = re.compile(r"[0-9]{1,12}")
_DURATION_PART = re.compile(r"([0-9]{1,12})([smhdw])")
_LONGEST_S = 1000 * 365 * 86400
"""A thousand years; dates cannot take much more."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_size(text: str | int) -> int:
    """Bytes of `10G`, `1.5TiB`, `512 k` or a plain number; units are powers of 1024.

    Raises:
        WrongUsage: the text is not a size.
    """
    if isinstance(text, int):
        return text
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise WrongUsage(f"{text!r} is not a size", hint="write it like 500M, 10G or 1.5T")
    return int(Fraction(match["number"]) * 1024 ** _UNITS.index(match["unit"].lower()))


def parse_level(text: str, whole_bytes: int) -> int:
    """Bytes of a level: `5%` of the whole, or a size such as `50G`.

    Raises:
        WrongUsage: the text is neither.
    """
    match = _PART_OF_WHOLE.fullmatch(text.strip())
    if match is not None:
        return int(Fraction(match[1]) * whole_bytes / 100)
    try:
        return parse_size(text)
    except WrongUsage:
        raise WrongUsage(f"{text!r} is no level", hint="write it like 5% or 50G") from None


def format_size(size_bytes: int | None) -> str:
    """A size for people, with units of 1024: `1.4 GiB`."""
    if size_bytes is None:
        return "-"
    if abs(size_bytes) < 1024:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if abs(value) < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} PiB"


def parse_percent(text: str) -> float:
    """The number of `5%`, `0.5 %` or `5`; more than 0 and at most 100.

    Raises:
        WrongUsage: the text is not such a number.
    """
    match = _PERCENT.fullmatch(text.strip())
    number = float(match[1]) if match else 0.0
    if not 0 < number <= 100:
        raise WrongUsage(f"{text!r} is not a part in a hundred", hint="write it like 5% or 0.5%")
    return number


def parse_duration(text: str | int) -> int:
    """Seconds of `90s`, `15m`, `1h30m`, `7d`, `2w` or a plain number of seconds; of a text a thousand years at most.

    Raises:
        WrongUsage: the text is not a duration.
    """
    if isinstance(text, int):
        return text
    stripped = text.strip().lower()
    with_unit = f"{stripped}s" if _SECONDS_ONLY.fullmatch(stripped) else stripped
    parts = _DURATION_PART.findall(with_unit)
    if not parts or "".join(number + unit for number, unit in parts) != with_unit:
        raise WrongUsage(f"{text!r} is not a duration", hint="write it like 90s, 15m, 1h30m or 7d")
    return min(sum(int(number) * _SECONDS[unit] for number, unit in parts), _LONGEST_S)


def format_duration(seconds: float) -> str:
    """A duration for people: `4.2 s`, `3 min`, `2 h 5 min`, `3 d`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d"
