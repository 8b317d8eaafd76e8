"""What was read from files, kept for as long as the files do not change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from thaniya_core.store.jsonfile import Identity
from thaniya_core.store.records import Content

_LIMIT_BYTES = 32 * 1024 * 1024


class ContentCache:
    """The contents of the files used last, up to so many bytes of files together. Safe between threads."""

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._entries: OrderedDict[Path, tuple[Identity, Content]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path, identity: Identity) -> Content | None:
        """The content that the file of this identity holds; None when it is not kept."""
        with self._lock:
            entry = self._entries.get(path)
            if entry is None or entry[0] != identity:
                return None
            self._entries.move_to_end(path)
            return entry[1]

    def keep(self, path: Path, identity: Identity, content: Content) -> None:
        """Keep a content, in place of what was kept of the file; the contents used longest ago make room."""
        with self._lock:
            self._drop(path)
            self._entries[path] = (identity, content)
            self._used_bytes += _size(identity)
            while self._used_bytes > self._limit_bytes and len(self._entries) > 1:
                self._drop(next(iter(self._entries)))

    def drop(self, path: Path) -> None:
        """Forget what was kept of a file."""
        with self._lock:
            self._drop(path)

    def _drop(self, path: Path) -> None:
        entry = self._entries.pop(path, None)
        if entry is not None:
            self._used_bytes -= _size(entry[0])


def _size(identity: Identity) -> int:
    return identity[2]
