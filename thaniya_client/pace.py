"""How fast bytes pass, and how long the rest will take."""

from __future__ import annotations

from collections import deque

_WINDOW_S = 15.0
_SHORTEST_S = 1.0


class Pace:
    """Computes a rate over the last quarter of a minute: steady enough to be read, and new enough to be true."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, now_s: float, done_bytes: int) -> float | None:
        """The bytes per second up to now; None in the first second.

        Args:
            now_s: of a clock that never goes back.
            done_bytes: all so far.
        """
        self._seen.append((now_s, done_bytes))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - _WINDOW_S:
            self._seen.popleft()
        begun_s, before_bytes = self._seen[0]
        if now_s - begun_s < _SHORTEST_S:
            return None
        return (done_bytes - before_bytes) / (now_s - begun_s)


def remaining_s(done_bytes: int, expected_bytes: int | None, bytes_per_s: float | None) -> float | None:
    """The seconds that the rest will take at most; None where nobody can tell."""
    if expected_bytes is None or not bytes_per_s:
        return None
    return max(0.0, (expected_bytes - done_bytes) / bytes_per_s)
