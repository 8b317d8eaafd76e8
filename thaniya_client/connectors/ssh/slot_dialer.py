"""Keeps the SFTP session of an upload."""

from __future__ import annotations

import threading

from thaniya_client.connectors.ssh.connection import Address, log_in
from thaniya_client.connectors.ssh.sftp_channel import SftpChannel


class SlotDialer:
    """A `Dialer` that logs in to a slot account."""

    def __init__(self, address: Address, slot: str) -> None:
        self._address = address
        self._slot = slot
        self._lock = threading.Lock()
        self._channel: SftpChannel | None = None

    def channel(self) -> SftpChannel:
        with self._lock:
            if self._channel is not None:
                return self._channel
        transport = log_in(self._address, self._slot)
        try:
            channel = SftpChannel(transport, self._address.silence_s)
        except BaseException:
            transport.close()
            raise
        with self._lock:
            self._channel = channel
        return channel

    def drop(self) -> None:
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
