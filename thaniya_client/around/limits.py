"""How much a run may take of the machine, of the line and of time, and how often it is tried."""

from __future__ import annotations

from msgspec import Struct

from thaniya_core.errors import NotAllowed, OutOfTime, ThaniyaError, WrongUsage


class Limits(Struct, frozen=True, kw_only=True):
    """What a run keeps to; see `Target.backup`."""

    retries: int = 0
    retry_pause_s: float = 60.0
    time_limit_s: float | None = None
    bytes_per_s: int | None = None
    nice: int | None = None
    idle_disk: bool = False


def check_limits(limits: Limits) -> Limits:
    """Give the limits back when they can be kept.

    Raises:
        WrongUsage: one cannot.
    """
    if limits.retries < 0 or limits.retry_pause_s < 0:
        raise WrongUsage(f"retries={limits.retries}, retry_pause_s={limits.retry_pause_s:g}: expected 0 or more")
    if limits.time_limit_s is not None and limits.time_limit_s <= 0:
        raise WrongUsage(f"time_limit_s={limits.time_limit_s:g}: expected more than 0, or None for no limit")
    if limits.bytes_per_s is not None and limits.bytes_per_s < 1:
        raise WrongUsage(f"bytes_per_s={limits.bytes_per_s}: expected 1 or more, or None for no limit")
    if limits.nice is not None and not 0 <= limits.nice <= 19:
        raise WrongUsage(f"nice={limits.nice}: expected 0 to 19, the lowest priority")
    return limits


def may_pass(error: ThaniyaError) -> bool:
    """Whether the same run may succeed a while later without anybody doing something."""
    return not isinstance(error, WrongUsage | NotAllowed | OutOfTime)
