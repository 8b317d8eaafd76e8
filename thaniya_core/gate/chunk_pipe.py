"""The pipe between a connection's thread, which receives, and the thread that reads a channel."""

from __future__ import annotations

import threading
from collections import deque

from paramiko import SSHException
from paramiko.buffered_pipe import PipeTimeout


class ChunkPipe:
    """Takes the place of paramiko's BufferedPipe in a channel, without copying what goes through.

    The one in paramiko moves all that waits in it with each read, which costs an upload a third of its speed. And it
    takes whatever comes: this one ends the connection of a client that sends more than the channel's window allows.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition(threading.Lock())
        self._is_closed = False

    def feed(self, data: bytes) -> None:
        """Put data in.

        Raises:
            SSHException: more is waiting than the window allows.
        """
        with self._changed:
            self._waiting_bytes += len(data)
            if self._waiting_bytes > self._limit_bytes:
                raise SSHException("the client sends more than the channel's window allows")
            self._chunks.append(data)
            self._changed.notify()

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """At most `nbytes`, as soon as there are any; empty once the pipe is closed.

        Raises:
            PipeTimeout: nothing came within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._chunks or self._is_closed, timeout):
                raise PipeTimeout
            if not self._chunks:
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > nbytes:
                self._chunks.appendleft(chunk[nbytes:])
                chunk = chunk[:nbytes]
            self._waiting_bytes -= len(chunk)
            return chunk

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
