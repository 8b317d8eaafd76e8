"""What every store demands of those who use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.names import Series, parse_series
from thaniya_core.model import Job, Upload


class TransactionGuard:
    """Makes a transaction inside another of the same thread an error instead of a dead-lock."""

    def __init__(self) -> None:
        self._thread = threading.local()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Hold for the length of a transaction.

        Raises:
            RuntimeError: this thread is inside a transaction of this store.
        """
        if getattr(self._thread, "is_inside", False):
            raise RuntimeError("this thread is inside a transaction already: transactions do not nest")
        self._thread.is_inside = True
        try:
            yield
        finally:
            self._thread.is_inside = False


def check_series(series: Series) -> Series:
    """Give a series back when its parts are legal, so that it can be part of a path.

    Raises:
        IllegalName: a part is not.
    """
    return parse_series(str(series))


def end_of(record: Upload | Job) -> datetime:
    """When an upload or job ended.

    Raises:
        WrongUsage: it has not.
    """
    if record.ended_at is None:
        raise WrongUsage(f"{record.id} has not ended: it does not belong into the history")
    return record.ended_at


def newest_last(record: Upload | Job) -> tuple[datetime, str]:
    """The key that sorts a history, the oldest end first."""
    return (record.ended_at or record.created_at, record.id)


def month_of(moment: datetime) -> str:
    """The month of a moment in UTC, `2026-11`."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def day_of(moment: datetime) -> str:
    """The day of a moment in UTC, `2026-11-23`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d}"
