"""Version 3 of the SFTP protocol (draft-ietf-secsh-filexfer-02), as much of it as writing files needs.

The caller sees which requests are answered, so it knows which bytes have arrived; and many may be under way at once.
"""

from __future__ import annotations

import struct

import paramiko
from msgspec import Struct

from thaniya_client.connectors.ssh.connection import LOST
from thaniya_core.errors import ConnectionLost, ProtocolViolated

REQUEST_BYTES = 255 * 1024
"""Data of one write request: OpenSSH takes packets of 256 KiB."""

_VERSION = 3
_INIT, _VERSION_REPLY, _OPEN, _CLOSE, _WRITE = 1, 2, 3, 4, 6
_STATUS, _HANDLE = 101, 102
_FLAGS_WRITE_CREATE = 0x02 | 0x08
_OK = 0
_ANSWER_LIMIT = 256 * 1024
_READ_BYTES = 32 * 1024
_PACKET_OVERHEAD_BYTES = 64


class Status(Struct, frozen=True):
    """The answer to a request."""

    request_id: int
    code: int
    message: str

    @property
    def is_ok(self) -> bool:
        return self.code == _OK


class SftpChannel:
    """One SFTP session."""

    def __init__(self, transport: paramiko.Transport, silence_s: float) -> None:
        """Start the session.

        Raises:
            ConnectionLost: it broke.
        """
        self._transport = transport
        self._received = bytearray()
        self._next_id = 0
        try:
            self._channel = transport.open_session(timeout=silence_s)
            self._channel.settimeout(silence_s)
            self._channel.invoke_subsystem("sftp")
        except LOST as exc:
            raise ConnectionLost(f"the SFTP session broke while it began: {exc}") from exc
        self._send(_INIT, struct.pack(">I", _VERSION))
        kind, _ = self._receive()
        if kind != _VERSION_REPLY:
            raise ProtocolViolated("the server does not speak SFTP")

    def open_file(self, path: str) -> bytes | Status:
        """Open a file to write into, without cutting it; gives its handle, or why it cannot be opened."""
        name = path.encode()
        request_id = self._take_id()
        self._send(
            _OPEN,
            struct.pack(">II", request_id, len(name)) + name + struct.pack(">II", _FLAGS_WRITE_CREATE, 0),
        )
        kind, body = self._receive()
        if kind == _HANDLE and len(body) >= 8:
            return body[8:]
        return self._as_status(kind, body)

    def request_write(self, handle: bytes, offset: int, data: bytes) -> int:
        """Send a write request; gives the id that its answer will bear."""
        request_id = self._take_id()
        head = struct.pack(">II", request_id, len(handle)) + handle + struct.pack(">QI", offset, len(data))
        self._send(_WRITE, head, data)
        return request_id

    def request_close(self, handle: bytes) -> int:
        """Send the request to close a file."""
        request_id = self._take_id()
        self._send(_CLOSE, struct.pack(">II", request_id, len(handle)) + handle)
        return request_id

    def has_answer(self) -> bool:
        """Whether an answer has begun to arrive."""
        return bool(self._received) or self._channel.recv_ready()

    def next_answer(self) -> Status:
        """Wait for the next answer to a write or close."""
        return self._as_status(*self._receive())

    def close(self) -> None:
        """End the connection. Requests that other threads are sending fail."""
        self._transport.close()

    def _take_id(self) -> int:
        self._next_id = (self._next_id + 1) & 0xFFFFFFFF
        return self._next_id

    def _send(self, kind: int, head: bytes, data: bytes = b"") -> None:
        packet = struct.pack(">IB", 1 + len(head) + len(data), kind) + head
        # In pieces of one SSH packet each, because paramiko copies what is left after every packet.
        piece = self._channel.out_max_packet_size - _PACKET_OVERHEAD_BYTES
        first = max(piece - len(packet), 0)
        try:
            self._channel.sendall(packet + data[:first])
            for begin in range(first, len(data), piece):
                self._channel.sendall(data[begin : begin + piece])
        except LOST as exc:
            raise ConnectionLost(f"the connection was lost while sending: {exc or 'time-out'}") from exc

    def _receive(self) -> tuple[int, bytes]:
        self._fill(4)
        (length,) = struct.unpack_from(">I", self._received)
        if not 1 <= length <= _ANSWER_LIMIT:
            raise ProtocolViolated("the server's SFTP answer is malformed")
        self._fill(4 + length)
        packet = bytes(self._received[4 : 4 + length])
        del self._received[: 4 + length]
        return packet[0], packet[1:]

    def _fill(self, size: int) -> None:
        try:
            while len(self._received) < size:
                part = self._channel.recv(_READ_BYTES)
                if not part:
                    raise ConnectionLost("the server ended the SFTP session")
                self._received += part
        except LOST as exc:
            raise ConnectionLost(f"the connection was lost: {exc or 'time-out'}") from exc

    def _as_status(self, kind: int, body: bytes) -> Status:
        if kind != _STATUS or len(body) < 8:
            raise ProtocolViolated("the server's SFTP answer is malformed")
        request_id, code = struct.unpack_from(">II", body)
        message = b""
        if len(body) >= 12:
            (length,) = struct.unpack_from(">I", body, 8)
            message = body[12 : 12 + min(length, 1000)]
        return Status(request_id, code, message.decode("utf-8", "replace"))
