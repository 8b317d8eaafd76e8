"""Streams that count and sum on the way."""

from __future__ import annotations

import hashlib
from typing import Protocol


class Writable(Protocol):
    """Whatever bytes can be written to."""

    def write(self, data: bytes, /) -> object: ...


class HashingWriter:
    """Passes bytes on and keeps their SHA-256 and number."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """The sum of all bytes so far, in lower-case hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self._target.write(data)
        self.size_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """There is nothing held back."""
