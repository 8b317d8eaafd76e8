"""Counts what passes and tells the caller now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

import msgspec

from thaniya_client.pace import Pace, remaining_s
from thaniya_client.values import OnProgress, Phase, Progress

_INTERVAL_S = 0.1
_MOVING = (Phase.PACKING, Phase.RESTORING)


class Meter:
    """The figures of one backup or restore.

    Counting may be done in any thread; the callback is called only by `enter` and `tick`, in the main thread.
    """

    def __init__(self, on_progress: OnProgress | None, phase: Phase, clock: Callable[[], float] = monotonic) -> None:
        self._on_progress = on_progress
        self._clock = clock
        self._pace = Pace()
        self._lock = threading.Lock()
        self._progress = Progress(phase)
        self._told_at: float | None = None
        self._tell()

    @property
    def progress(self) -> Progress:
        """The figures now."""
        return self._progress

    def add(self, *, read_bytes: int = 0, sent_bytes: int = 0, entries: int = 0) -> None:
        """Count."""
        with self._lock:
            now = self._progress
            self._progress = msgspec.structs.replace(
                now,
                read_bytes=now.read_bytes + read_bytes,
                sent_bytes=now.sent_bytes + sent_bytes,
                entries=now.entries + entries,
            )

    def expect(self, expected_bytes: int | None) -> None:
        """Set what will be read at the most."""
        with self._lock:
            self._progress = msgspec.structs.replace(self._progress, expected_bytes=expected_bytes)

    def enter(self, phase: Phase, detail: str = "") -> None:
        """Begin a phase, or tell a new detail of it, and call the callback at once."""
        with self._lock:
            self._progress = msgspec.structs.replace(self._progress, phase=phase, detail=detail)
        self._tell()

    def tick(self) -> None:
        """Call the callback when it has not been called for a while."""
        if self._told_at is None or self._clock() - self._told_at >= _INTERVAL_S:
            self._tell()

    def _tell(self) -> None:
        now_s = self._clock()
        if self._on_progress is not None:
            self._on_progress(self._with_pace(self._progress, now_s))
        self._told_at = now_s if self._progress.read_bytes else None

    def _with_pace(self, progress: Progress, now_s: float) -> Progress:
        if progress.phase not in _MOVING:
            return progress
        rate = self._pace.at(now_s, progress.read_bytes)
        left_s = remaining_s(progress.read_bytes, progress.expected_bytes, rate)
        return msgspec.structs.replace(progress, bytes_per_s=rate, remaining_s=left_s)
