"""What a user may take: how it is written, and what is legal."""

from __future__ import annotations

from enum import Enum

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.quantities import parse_size


class Unlimited(Enum):
    """The word for no limit, where None already means: leave it as it is."""

    UNLIMITED = "unlimited"


UNLIMITED = Unlimited.UNLIMITED


def parse_quota(text: str) -> int | Unlimited:
    """Bytes of `500G`; no limit for `unlimited` and `none`.

    Raises:
        WrongUsage: it is neither.
    """
    if text.strip().lower() in (UNLIMITED.value, "none"):
        return UNLIMITED
    try:
        return parse_size(text)
    except WrongUsage:
        raise WrongUsage(f"{text[:40]!r} is no quota", hint="write it like 500G, 1.5T or unlimited") from None


def parse_max_uploads(text: str) -> int:
    """How many uploads at the same time a text means.

    Raises:
        WrongUsage: it is no whole number of at least 1.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise WrongUsage(f"{text[:40]!r} is no number of uploads", hint="write a whole number like 2")
    check_limits(None, int(text))
    return int(text)


def check_limits(quota_bytes: int | None, max_uploads: int) -> None:
    """Make sure that a user can have these limits.

    Raises:
        WrongUsage: he cannot.
    """
    if quota_bytes is not None and quota_bytes < 0:
        raise WrongUsage("a quota cannot be negative")
    if max_uploads < 1:
        raise WrongUsage("a user needs at least one upload at the same time", hint="disable the user to keep it out")
