"""How long and how often a lost connection is tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from thaniya_core.errors import ConnectionLost

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 30.0


class Retry:
    """Waits with growing delay, 1, 2, 4 … 30 s, until the waits together would be longer than a limit."""

    def __init__(self, limit_s: float, wait: Callable[[float], object] | None = None) -> None:
        """Allow waits of `limit_s` together; 0: no second try. `wait` waits for so many seconds."""
        self._limit_s = limit_s
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self.reset()

    def reset(self) -> None:
        """Something arrived: begin anew the next time."""
        self._spent_s = 0.0
        self._delay_s = _FIRST_DELAY_S

    def stop(self) -> None:
        """End a wait in another thread, and allow none any more."""
        self._stopped.set()

    def pause(self, cause: ConnectionLost) -> None:
        """Wait before the next try.

        Raises:
            ConnectionLost: the cause, when there is to be no further try.
        """
        if self._stopped.is_set() or self._spent_s + self._delay_s > self._limit_s:
            raise cause
        self._wait(self._delay_s)
        if self._stopped.is_set():
            raise cause
        self._spent_s += self._delay_s
        self._delay_s = min(self._delay_s * 2, _LONGEST_DELAY_S)
