"""What takes long: how far it is, and stopping it."""

from __future__ import annotations

import threading
import time

from rich.text import Text

from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.views import Stopped
from thaniya_tui import render


class Work:
    """Something long that goes on in a thread, which counts; the screen only looks."""

    def __init__(self, what: str, afterwards: str = "") -> None:
        """
        Args:
            what: is done: `verify 20261123T211500Z-7f3a2c`.
            afterwards: what is done when all bytes are counted, for which there is no measure.
        """
        self.what = what
        self._afterwards = afterwards
        self._total_bytes = 0
        self._done_bytes = 0
        self._began_at = time.monotonic()
        self._stop = threading.Event()
        self._ended = threading.Event()

    def expect(self, total_bytes: int) -> None:
        """So many bytes will be counted."""
        self._total_bytes = total_bytes

    def count(self, size_bytes: int) -> None:
        """So many bytes more are done.

        Raises:
            Stopped: somebody wants it to stop.
        """
        self._done_bytes += size_bytes
        if self._stop.is_set():
            raise Stopped

    def stop(self) -> None:
        """Have it end with the next bytes."""
        self._stop.set()

    def end(self) -> None:
        """It has ended, well or not."""
        self._ended.set()

    @property
    def is_going_on(self) -> bool:
        return not self._ended.is_set()

    @property
    def can_stop(self) -> bool:
        """Whether bytes are still to be counted."""
        return self.is_going_on and not self._stop.is_set() and self._done_bytes < self._total_bytes

    def draw(self, width: int) -> Text:
        """A line: what, how far, for how long."""
        total, done = self._total_bytes, self._done_bytes
        line = Text.assemble(("▶ ", "moving"), render.foreign(self.what), "  ")
        took = format_duration(round(time.monotonic() - self._began_at))
        if self._stop.is_set():
            line.append("stopping …", "caution")
        elif total and done < total:
            line.append_text(render.bar(done / total, 16)).append(f" {format_size(done)} of {format_size(total)}")
            line.append("  S stops", "faint")
        else:
            line.append(f"{self._afterwards or 'ending'} …  {took}", "moving")
        line.truncate(width, overflow="ellipsis")
        return line
