"""The lock of the service: of all processes that hold a server, one at a time closes slots and runs jobs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from thaniya_core.system.clock import Clock
from thaniya_core.system.files import from_os_error, os_errors
from thaniya_core.system.locks import is_locked, try_lock

_POLL_S = 0.1

_FRESH = timedelta(minutes=1)
"""A mark of the service that is no older needs no further question."""


class ServiceLock:
    """The kernel's lock of a file, which the threads of the process that holds it share."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._guard = threading.Lock()
        self._descriptor: int | None = None
        self._holders = 0

    @contextmanager
    def hold(self, wait_s: float = 0.0) -> Iterator[bool]:
        """Be the service for a while.

        Args:
            wait_s: how long to wait for another process that is the service now.

        Yields:
            False when another process is the service.
        """
        deadline = self._clock.monotonic() + wait_s
        while not (is_held := self._take()) and self._clock.monotonic() < deadline:
            self._clock.sleep(_POLL_S)
        try:
            yield is_held
        finally:
            if is_held:
                self._let_go()

    def note_alive(self) -> None:
        """Leave a mark that the service works; called by whoever holds the lock, now and then."""
        with os_errors("mark the lock of the service"):
            moment = self._clock.now().timestamp()
            os.utime(self._file, (moment, moment))

    def seen_at(self) -> datetime | None:
        """When the service last left a mark; None when it never did."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise from_os_error("look at the lock of the service", exc) from exc
        return datetime.fromtimestamp(status.st_mtime, UTC)

    def is_alive(self) -> bool:
        """Whether a process is the service in this moment, by its mark if that is fresh."""
        seen_at, now = self.seen_at(), self._clock.now()
        return (seen_at is not None and now - _FRESH <= seen_at <= now) or self.is_held()

    def is_held(self) -> bool:
        """Whether a process, this one too, is the service in this moment. Who may read the state may ask.

        It shares the lock for an instant, which nobody can take meanwhile: ask only where there is reason to think that
        nobody holds it.
        """
        with os_errors("look at the lock of the service"):
            return is_locked(self._file)

    def _take(self) -> bool:
        with self._guard:
            if self._holders == 0:
                with os_errors("take the lock of the service"):
                    self._descriptor = try_lock(self._file)
            self._holders += self._descriptor is not None
            return self._descriptor is not None

    def _let_go(self) -> None:
        with self._guard:
            self._holders -= 1
            if self._holders == 0 and self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
