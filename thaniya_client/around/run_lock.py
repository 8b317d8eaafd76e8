"""One run at a time for each series: the kernel's lock, which a killed process does not leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from thaniya_core.errors import Busy
from thaniya_core.system.clock import SystemClock
from thaniya_core.system.files import os_errors, read_regular
from thaniya_core.system.locks import try_lock

_LIMIT_BYTES = 4096


class Holder(Struct, frozen=True):
    """The run that holds a lock."""

    process: int
    since: datetime


@contextmanager
def hold_run_lock(file: Path, what: str) -> Iterator[None]:
    """Hold the lock of a series for the block.

    Args:
        file: the lock; it stays there when the block has ended, unlocked.
        what: the series, for the error: `web1/nightly`.

    Raises:
        Busy: another run holds it; the message says which, and since when.
        NotAllowed, ThaniyaError: the file cannot be made.
    """
    with os_errors("take the lock of the run"):
        descriptor = try_lock(file)
    if descriptor is None:
        raise _busy(file, what)
    try:
        with os_errors("write the lock of the run"):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(Holder(os.getpid(), SystemClock().now())), 0)
        yield
    finally:
        os.close(descriptor)


def _busy(file: Path, what: str) -> Busy:
    try:
        holder = msgspec.json.decode(read_regular(file, _LIMIT_BYTES), type=Holder)
    except (OSError, msgspec.MsgspecError):  # it is being written in this moment
        return Busy(f"another backup of {what} has just begun", hint="try again when it has ended")
    return Busy(
        f"another backup of {what} is running: process {holder.process}, "
        f"since {holder.since.astimezone():%Y-%m-%d %H:%M:%S}",
        hint="try again when it has ended",
        process=holder.process,
        since=holder.since.isoformat(),
    )
