"""Calls that may hang: a disk that is gone, a peer that does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from thaniya_core.errors import ThaniyaError

R = TypeVar("R")


class LateCall(Generic[R]):
    """A call that runs in a thread of its own. One that never returns does not keep the process from ending."""

    def __init__(self, function: Callable[[], R]) -> None:
        """Start it."""
        self._function = function
        self._results: list[R] = []
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="late call", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether it returned or failed."""
        return not self._thread.is_alive()

    def result(self, timeout_s: float, what: str) -> R:
        """What the call gives, or raises.

        Args:
            timeout_s: how long to wait for it.
            what: who is waited for, for the error.

        Raises:
            ThaniyaError: it did not return in time; it is left alone.
        """
        self._thread.join(timeout_s)
        if self._failure is not None:
            raise self._failure
        if not self._results:
            raise ThaniyaError(f"{what} did not answer within {timeout_s:g} s")
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as failure:  # noqa: BLE001 - `result` raises it where it is waited for
            self._failure = failure
