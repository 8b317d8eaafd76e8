"""Uploads a file over SFTP: many requests under way, and after a lost connection only what had not arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from thaniya_client.connectors.ssh.retry import Retry
from thaniya_client.connectors.ssh.sftp_channel import REQUEST_BYTES, SftpChannel, Status
from thaniya_core.errors import ConnectionLost, ProtocolViolated, ThaniyaError

UNCONFIRMED_BYTES = 16 * 1024 * 1024
"""So much is under way at the most, and kept to be sent again."""


class Dialer(Protocol):
    """Keeps the SFTP session of an upload."""

    def channel(self) -> SftpChannel:
        """The session; makes a new one when there is none.

        Raises:
            ConnectionLost: there is no connection now.
        """
        ...

    def drop(self) -> None:
        """End the session; the next call of `channel` makes a new one. May be called in any thread."""
        ...


class _Chunk(Struct, frozen=True):
    offset: int
    data: bytes


class SftpWriter:
    """Writes one file from its beginning to its end."""

    def __init__(
        self, dialer: Dialer, path: str, retry: Retry, explain: Callable[[ThaniyaError], ThaniyaError]
    ) -> None:
        """Open the file.

        Args:
            dialer: keeps the session.
            path: where on the server.
            retry: how long a lost connection is tried again.
            explain: finds the reason for a refusal: the server ends the session of an upload that it has ended.
        """
        self._dialer = dialer
        self._path = path
        self._retry = retry
        self._explain = explain
        self._buffer = bytearray()
        self._offset = 0
        self._unconfirmed: dict[int, _Chunk] = {}
        self._unconfirmed_bytes = 0
        self._is_abandoned = False
        self._handle = b""
        self._channel: SftpChannel | None = None
        self._persist(self._reopen)

    def write(self, data: bytes) -> None:
        """Send bytes; waits while too many are under way.

        Raises:
            ConnectionLost: the connection was lost and stayed lost.
            ThaniyaError: the server does not take the file any more; says why.
        """
        self._buffer += data
        while len(self._buffer) >= REQUEST_BYTES:
            chunk = bytes(self._buffer[:REQUEST_BYTES])
            del self._buffer[:REQUEST_BYTES]
            self._send(chunk)

    def close(self) -> None:
        """Send the rest, wait until every byte has arrived, and close the file."""
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        self._persist(self._finish)

    def abandon(self) -> None:
        """Give the file up; a write that waits in another thread fails soon."""
        self._is_abandoned = True
        self._retry.stop()
        self._dialer.drop()

    def _send(self, data: bytes) -> None:
        chunk = _Chunk(self._offset, data)
        self._offset += len(data)
        self._persist(self._make_room)
        # Entered before it is sent: when the connection breaks meanwhile, it is sent again with the others.
        placeholder = -1
        self._unconfirmed[placeholder] = chunk
        self._unconfirmed_bytes += len(data)
        self._persist(lambda: self._request(placeholder))

    def _request(self, placeholder: int) -> None:
        chunk = self._unconfirmed.get(placeholder)
        if chunk is None:
            return  # a new session has sent it already
        request_id = self._session().request_write(self._handle, chunk.offset, chunk.data)
        self._unconfirmed[request_id] = self._unconfirmed.pop(placeholder)

    def _make_room(self) -> None:
        while self._unconfirmed and self._session().has_answer():
            self._take_answer()
        while self._unconfirmed_bytes > UNCONFIRMED_BYTES - REQUEST_BYTES:
            self._take_answer()

    def _finish(self) -> None:
        while self._unconfirmed:
            self._take_answer()
        request_id = self._session().request_close(self._handle)
        status = self._session().next_answer()
        if status.request_id != request_id or not status.is_ok:
            raise self._refused(status)

    def _take_answer(self) -> None:
        status = self._session().next_answer()
        chunk = self._unconfirmed.get(status.request_id)
        if chunk is None:
            raise ProtocolViolated("the server answers an SFTP request that was not made")
        if not status.is_ok:
            raise self._refused(status)
        del self._unconfirmed[status.request_id]
        self._unconfirmed_bytes -= len(chunk.data)
        self._retry.reset()

    def _persist(self, step: Callable[[], None]) -> None:
        """Do a step; when the connection is lost, make a new one, send what had not arrived, and do it again."""
        while True:
            try:
                if self._channel is None:
                    self._reopen()
                step()
                return
            except ConnectionLost as exc:
                self._channel = None
                self._dialer.drop()
                if self._is_abandoned:
                    raise
                self._retry.pause(exc)

    def _reopen(self) -> None:
        """Open the file in the dialer's session and send again what is not confirmed."""
        if self._channel is not None:
            return
        try:
            channel = self._dialer.channel()
        except ConnectionLost:
            raise
        except ThaniyaError as exc:
            raise self._explain(exc) from exc
        opened = channel.open_file(self._path)
        if isinstance(opened, Status):
            raise self._refused(opened)
        waiting = sorted(self._unconfirmed.values(), key=lambda chunk: chunk.offset)
        resent = {channel.request_write(opened, chunk.offset, chunk.data): chunk for chunk in waiting}
        self._unconfirmed = resent
        self._handle = opened
        self._channel = channel

    def _session(self) -> SftpChannel:
        if self._channel is None:
            raise ConnectionLost("there is no SFTP session")
        return self._channel

    def _refused(self, status: Status) -> ThaniyaError:
        return self._explain(ThaniyaError(f"the server does not take {self._path}: {status.message or status.code}"))
