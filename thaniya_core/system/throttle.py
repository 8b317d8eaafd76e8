"""Long reading that leaves the disk to others, and can be stopped."""

from __future__ import annotations

from collections.abc import Callable

from thaniya_core.system.clock import Clock

_LONGEST_SLEEP_S = 0.5
"""After so long at the latest it is seen that the work is to stop."""


class Stopped(Exception):
    """The work was told to stop before its end."""


class Throttle:
    """Holds reading back to a number of bytes a second; call it with the number of bytes done since the last call."""

    def __init__(self, clock: Clock, bytes_per_s: int | None, should_stop: Callable[[], bool] = lambda: False) -> None:
        """
        Args:
            clock: tells the time and waits.
            bytes_per_s: None or 0 for no limit.
            should_stop: asked at every call and while it waits.
        """
        self._clock = clock
        self._bytes_per_s = bytes_per_s
        self._should_stop = should_stop
        self._free_at = clock.monotonic()

    def __call__(self, count: int) -> None:
        """Wait until so many bytes are within the limit. What was not read in a pause is not made up for.

        Raises:
            Stopped: `should_stop` said so.
        """
        self._check()
        if not self._bytes_per_s:
            return
        self._free_at = max(self._free_at, self._clock.monotonic()) + count / self._bytes_per_s
        while (wait_s := self._free_at - self._clock.monotonic()) > 0:
            self._clock.sleep(min(wait_s, _LONGEST_SLEEP_S))
            self._check()

    def _check(self) -> None:
        if self._should_stop():
            raise Stopped
