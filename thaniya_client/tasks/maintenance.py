"""The maintenance mode of an application, on while it is backed up and always taken back.

Applications are told by a file. Beside it lies a second one, locked by the process that has switched the mode on: so
the next run can tell what a killed one has left from what an administrator wants.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from thaniya_core.errors import Busy, SourceFailed
from thaniya_core.system.files import write_atomic
from thaniya_core.system.signals import ended_by_signals, held_signals

MARK_SUFFIX = ".thaniya"

_MODE = 0o644
"""The web server reads it under its own account."""


@contextmanager
def maintenance_mode(
    flag: Path, content: Callable[[], str], note: Callable[[str], None], *, renew_s: float | None = None
) -> Iterator[None]:
    """Have a flag file there as long as the block runs; it goes away on errors and signals too.

    A flag that somebody else has put there stays as it is. One that a killed run has left is taken over.

    Args:
        flag: the file that the application looks for.
        content: what it holds.
        note: is told what is done.
        renew_s: write it anew after so many seconds, because the application heeds a young one only.

    Raises:
        Busy: another backup of the application is at work.
        SourceFailed: the file cannot be written.
    """
    mark = flag.with_name(flag.name + MARK_SUFFIX)
    with ended_by_signals():
        descriptor = _open_mark(mark)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_current = mark.stat().st_ino == os.fstat(descriptor).st_ino
            except (BlockingIOError, FileNotFoundError) as exc:
                raise Busy(f"{flag.parent} is being backed up by another process") from exc
            if not is_current:
                raise Busy(f"{flag.parent} has just been backed up by another process")
            was_ours = os.fstat(descriptor).st_size > 0
            if flag.exists() and not was_ours:
                note(f"{flag} is there already and stays: somebody else has switched maintenance mode on")
                mark.unlink()
                yield
                return
            yield from _switched_on(flag, mark, descriptor, content, note, renew_s)
        finally:
            os.close(descriptor)


def _open_mark(mark: Path) -> int:
    """The mark, made when it is missing. Whoever may write beside it must not have another file changed through it."""
    failed = "maintenance mode cannot be switched on"
    try:
        descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as exc:
        raise SourceFailed(f"{failed}: {mark}: {exc.strerror}") from exc
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_nlink > 1:
        os.close(descriptor)
        raise SourceFailed(f"{failed}: {mark} is another's file", hint="find out who has put it there, and remove it")
    return descriptor


def _switched_on(
    flag: Path,
    mark: Path,
    descriptor: int,
    content: Callable[[], str],
    note: Callable[[str], None],
    renew_s: float | None,
) -> Iterator[None]:
    ended = threading.Event()

    def write() -> None:
        write_atomic(flag, content().encode(), mode=_MODE)

    def renew() -> None:
        while not ended.wait(renew_s):
            try:
                write()
            except OSError as exc:
                note(f"{flag} cannot be renewed: {exc.strerror}")

    renewer = threading.Thread(target=renew, name=f"renew {flag}", daemon=True) if renew_s else None
    try:
        try:
            with held_signals():
                os.pwrite(descriptor, b"made by a backup; safe to remove with the file beside it\n", 0)
                os.fsync(descriptor)
                write()
        except OSError as exc:
            raise SourceFailed(f"maintenance mode cannot be switched on: {flag}: {exc.strerror}") from exc
        note(f"maintenance mode is on: {flag}")
        if renewer is not None:
            renewer.start()
        yield
    finally:
        with held_signals():
            ended.set()
            if renewer is not None and renewer.is_alive():
                renewer.join()
            flag.unlink(missing_ok=True)
            mark.unlink(missing_ok=True)
        note("maintenance mode is off")
