"""A backup that leaves processor and disk to others."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from thaniya_core.errors import CommandFailed
from thaniya_core.system.run import run

_TIMEOUT_S = 30.0
_CLASSES = {"none": "0", "realtime": "1", "best-effort": "2", "idle": "3"}


@contextmanager
def lowered_priority(nice: int | None, idle_disk: bool, warn: Callable[[str], None]) -> Iterator[None]:
    """Have this thread, and the threads and programs that it starts, run with a low priority for the block.

    Without privileges the thread's niceness cannot be taken back (setpriority(2)); its priority for the disk can.

    Args:
        nice: at least this niceness, 0 to 19; None: as it is.
        idle_disk: use the disk only while nobody else does. Linux heeds that with the BFQ scheduler.
        warn: is told what cannot be done; the block runs all the same.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    disk_before = _set_idle(warn) if idle_disk else None
    if nice is not None:
        os.setpriority(os.PRIO_PROCESS, 0, max(before, nice))
    try:
        yield
    finally:
        if nice is not None:
            try:
                os.setpriority(os.PRIO_PROCESS, 0, before)
            except PermissionError:
                pass  # as the docstring says
        if disk_before is not None:
            _ionice(disk_before, warn)


def _set_idle(warn: Callable[[str], None]) -> list[str] | None:
    """Gives the options of ionice that bring back what was before; None where that is not possible."""
    shown = _ionice([], warn)
    match = re.match(r"([a-z-]+)(?:: prio (\d))?", shown or "")
    if match is None or match[1] not in _CLASSES or _ionice(["-c", _CLASSES["idle"]], warn) is None:
        return None
    level = ["-n", match[2]] if match[1] in ("realtime", "best-effort") and match[2] else []
    return ["-c", _CLASSES[match[1]], *level]


def _ionice(options: list[str], warn: Callable[[str], None]) -> str | None:
    try:
        argv = ["ionice", *options, "-p", str(threading.get_native_id())]
        return run(argv, timeout_s=_TIMEOUT_S).stdout.decode().strip()
    except CommandFailed as exc:
        warn(f"the disk is not left to others: {exc}")
        return None
