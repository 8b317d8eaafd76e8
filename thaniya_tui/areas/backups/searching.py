"""Looking through what is inside a backup, a stretch at a time: a list of any length can be left at any moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from thaniya_core.formats.contents import escape_path
from thaniya_core.views import Inside
from thaniya_tui.widgets import MOST_ROWS

STRETCH_S = 0.15
"""After so long at the latest a stretch ends and what was found is shown."""

_MOST_NEW = 200
"""So many finds end a stretch too: rows for more of them would hold the screen up."""

_LOOK_EVERY = 128
"""So many entries are looked at between two looks at the clock."""


class Hit(Struct, frozen=True):
    """Something inside that fits."""

    number: int
    """Its place in the list: the same in every search, also where a path is there twice."""
    inside: Inside
    path: str
    """As people read it."""


class Found(Struct, frozen=True):
    """How far a search is."""

    hits: tuple[Hit, ...] = ()
    looked_at: int = 0
    is_done: bool = False
    has_more: bool = False
    """More fit than are kept."""


class Search:
    """Finds what contains all words of a text, whatever their case; the first MOST_ROWS that do.

    Each call of `go_on` may be made in another thread, one after the other; `stop` may be called at any time.
    """

    def __init__(self, begin: Callable[[], Iterator[Inside]], text: str, most: int = MOST_ROWS) -> None:
        """
        Args:
            begin: gives what is inside; called in the thread.
            text: what is looked for; empty fits all.
            most: so many are kept.
        """
        self._begin = begin
        self._words = text.lower().split()
        self._most = most
        self._entries: Iterator[Inside] | None = None
        self._found = Found()
        self._stopped = threading.Event()
        self._works = threading.Lock()

    def go_on(self) -> Found:
        """Look at the next stretch, and give everything that was found so far.

        Raises:
            ThaniyaError: what is inside cannot be read.
        """
        with self._works:
            entries = self._entries
            if entries is None:
                entries = self._entries = self._begin()
            try:
                self._found = self._look(entries, self._found)
            except BaseException:
                _close(entries)
                raise
            if self._found.is_done or self._stopped.is_set():
                _close(entries)
            return self._found

    def stop(self) -> None:
        """Look no further; what is open is closed, by the thread that is at work if there is one."""
        self._stopped.set()
        if self._works.acquire(blocking=False):
            try:
                if self._entries is not None:
                    _close(self._entries)
            finally:
                self._works.release()

    def _look(self, entries: Iterator[Inside], before: Found) -> Found:
        hits, number = list(before.hits), before.looked_at
        ends_at = time.monotonic() + STRETCH_S
        for inside in entries:
            path = escape_path(inside.path)
            if self._fits(path):
                if len(hits) >= self._most:
                    return Found(tuple(hits), number, is_done=True, has_more=True)
                hits.append(Hit(number, inside, path))
            number += 1
            if number % _LOOK_EVERY == 0 and (self._stopped.is_set() or time.monotonic() > ends_at):
                return Found(tuple(hits), number)
            if len(hits) - len(before.hits) >= _MOST_NEW:
                return Found(tuple(hits), number)
        return Found(tuple(hits), number, is_done=True)

    def _fits(self, path: str) -> bool:
        lower = path.lower()
        return all(word in lower for word in self._words)


def _close(entries: Iterator[Inside]) -> None:
    close = getattr(entries, "close", None)
    if close is not None:
        close()
