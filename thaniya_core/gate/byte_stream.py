"""Bytes to and from an SSH channel: what SFTP, SCP and the broker read and write."""

from __future__ import annotations

import io
from typing import Protocol

import paramiko

_RECEIVE_BYTES = 1024 * 1024


class ByteStream(Protocol):
    """A connection to a client."""

    def read_into(self, target: memoryview) -> bool:
        """Fill the target; False when the client has closed its side before."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of the data.

        Raises:
            OSError: the client is gone.
        """
        ...


class ChannelStream:
    """The stream of a channel."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._waiting = memoryview(b"")

    def read_into(self, target: memoryview) -> bool:
        while target:
            if not self._waiting:
                self._waiting = memoryview(self._channel.recv(_RECEIVE_BYTES))
                if not self._waiting:
                    return False
            count = min(len(target), len(self._waiting))
            target[:count] = self._waiting[:count]
            self._waiting = self._waiting[count:]
            target = target[count:]
        return True

    def send(self, data: bytes) -> None:
        self._channel.sendall(data)


class ChannelReader(io.RawIOBase):
    """What the client sends, as a raw stream."""

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__()
        self._channel = channel

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data: bytes = self._channel.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class ChannelWriter(io.RawIOBase):
    """What the client gets, as its stdout or stderr. It counts as closed once the channel is."""

    def __init__(self, channel: paramiko.Channel, *, is_stderr: bool = False) -> None:
        super().__init__()
        self._channel = channel
        self._send = channel.sendall_stderr if is_stderr else channel.sendall

    @property
    def closed(self) -> bool:
        return super().closed or bool(self._channel.closed)

    def writable(self) -> bool:
        return True

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        try:
            self._send(bytes(data))
        except OSError as exc:
            raise BrokenPipeError("the client is gone") from exc
        return len(data)
