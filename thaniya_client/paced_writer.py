"""Sends no faster than told."""

from __future__ import annotations

from thaniya_client.connectors.interface import FileWriter
from thaniya_core.system.clock import Clock, SystemClock
from thaniya_core.system.throttle import Stopped, Throttle

_LARGEST_PIECE_BYTES = 64 * 1024
_SMALLEST_PIECE_BYTES = 1024


class PacedWriter:
    """Passes a file on in small pieces, each when its time has come, so that the line is never taken in bursts."""

    def __init__(self, writer: FileWriter, bytes_per_s: int, clock: Clock | None = None) -> None:
        self._writer = writer
        self._is_abandoned = False
        self._piece_bytes = max(_SMALLEST_PIECE_BYTES, min(_LARGEST_PIECE_BYTES, bytes_per_s // 8))
        self._throttle = Throttle(clock or SystemClock(), bytes_per_s, lambda: self._is_abandoned)

    def write(self, data: bytes) -> None:
        try:
            for begin in range(0, len(data), self._piece_bytes):
                piece = data[begin : begin + self._piece_bytes]
                self._throttle(len(piece))
                self._writer.write(piece)
        except Stopped:
            pass  # nobody wants the rest

    def close(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        self._is_abandoned = True
        self._writer.abandon()
