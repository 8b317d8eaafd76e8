"""paramiko's transport, tuned for uploads: fewer system calls, fewer copies, bounded memory, an orderly end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA, MSG_CHANNEL_REQUEST

from thaniya_core.gate.chunk_pipe import ChunkPipe

PARAMIKO_LOG = f"{__package__}.paramiko"
WINDOW_BYTES = 8 * 1024 * 1024
"""What a client may send ahead on a channel: enough for 640 Mbit/s at 100 ms."""
PACKET_BYTES = 256 * 1024 - 1024
"""Of data in one SSH packet. OpenSSH accepts packets of up to 256 KiB, paramiko any."""

_PACKET_LIMIT = 1024 * 1024
_RECEIVE_BYTES = 512 * 1024
_POLL_S = 1.0
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")


class BufferedSocket:
    """A socket that reads ahead, so that paramiko's two reads a packet are not two calls of the kernel each."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        # paramiko asks for 0.1 s to notice that it was closed; here closing wakes it.
        connection.settimeout(_POLL_S)
        self._buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._ahead = self._buffer[:0]
        self._closed = False
        self.received_at = time.monotonic()
        """When the peer was last heard, in seconds of the monotonic clock."""

    def recv(self, count: int) -> bytes:
        """Exactly `count` bytes, fewer when the peer pauses, none when it has closed.

        Raises:
            SSHException: `count` is more than any packet has: what came is no SSH.
            TimeoutError: nothing came.
        """
        if count > _PACKET_LIMIT:
            raise paramiko.SSHException(f"a packet of {count} bytes")
        parts: list[bytes] = []
        while count:
            if not self._ahead and not self._receive(bool(parts)):
                break
            taken, self._ahead = self._ahead[:count], self._ahead[count:]
            parts.append(bytes(taken))
            count -= len(taken)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _receive(self, has_some: bool) -> bool:
        try:
            received = self._socket.recv_into(self._buffer)
        except TimeoutError:
            if has_some:
                return False
            raise
        self.received_at = time.monotonic()
        self._ahead = self._buffer[:received]
        return received > 0

    def send(self, data: bytes) -> int:
        return self._socket.send(data)

    def settimeout(self, timeout: float | None) -> None:
        """The timeout is fixed."""

    def getpeername(self) -> object:
        return self._socket.getpeername()

    def close(self) -> None:
        """Close it and wake whoever waits for it."""
        self._closed = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was faster
        self._socket.close()


class UnusableKey:
    """A key of a kind that cannot be checked here. It is refused like any other key that fits no user."""

    def __init__(self, message: paramiko.Message) -> None:
        self.fingerprint = message.get_text()


# Agents offer such keys before a usable one; paramiko would end the connection at the first kind it does not know.
_UNUSABLE_KINDS = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")


class Transport(paramiko.Transport):  # type: ignore[misc]
    """The server's end of a connection."""

    def __init__(
        self,
        connection: BufferedSocket,
        host_key: paramiko.PKey,
        on_reply: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        """Prepare a connection; `start_server` begins it.

        Args:
            connection: the socket.
            host_key: the server's key.
            on_reply: called after each answer to a channel request.
            on_end: called in this thread when the connection has ended.
        """
        super().__init__(
            connection, default_window_size=WINDOW_BYTES, default_max_packet_size=PACKET_BYTES, strict_kex=True
        )
        self.set_log_channel(PARAMIKO_LOG)
        options = self.get_security_options()
        options.ciphers = _CIPHERS
        options.digests = _MACS
        self.add_server_key(host_key)
        self.name = "gate connection"
        self.on_reply = on_reply
        self._on_end = on_end

    def run(self) -> None:
        try:
            super().run()
        finally:
            # It cancels a timer that would outlive the connection.
            self.packetizer.complete_handshake()
            self._on_end()

    def _take_data(channel: paramiko.Channel, message: paramiko.Message) -> None:
        # Before there is a command paramiko's own buffer, which knows no limit, would take it.
        if not isinstance(channel.in_buffer, ChunkPipe):
            raise paramiko.SSHException("the client sends data before a command")
        channel._feed(message)

    def _refuse_extended(channel: paramiko.Channel, message: paramiko.Message) -> None:
        raise paramiko.SSHException("the client sends extended data, which only servers do")

    def _answer_request(channel: paramiko.Channel, message: paramiko.Message) -> None:
        channel._handle_request(message)
        channel.get_transport().on_reply()

    # These tables are paramiko's own, and there is no public way to add to them.
    _channel_handler_table = {  # noqa: RUF012
        **paramiko.Transport._channel_handler_table,
        MSG_CHANNEL_REQUEST: _answer_request,
        MSG_CHANNEL_DATA: _take_data,
        MSG_CHANNEL_EXTENDED_DATA: _refuse_extended,
    }
    _preferred_pubkeys = (*paramiko.Transport._preferred_pubkeys, *_UNUSABLE_KINDS)
    _key_info = {  # noqa: RUF012
        **paramiko.Transport._key_info,
        **dict.fromkeys(_UNUSABLE_KINDS, UnusableKey),
    }
