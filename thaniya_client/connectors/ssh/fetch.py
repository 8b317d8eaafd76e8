"""Reads a file of a backup with the one-shot command `fetch`; a lost connection goes on where it broke."""

from __future__ import annotations

from collections.abc import Callable

import paramiko

from thaniya_client.connectors.ssh.connection import LOST
from thaniya_client.connectors.ssh.retry import Retry
from thaniya_core.errors import ConnectionLost, ThaniyaError, all_errors

_READ_BYTES = 1024 * 1024
_GENERAL_FAILURE = 1


class FetchReader:
    """One file, from its beginning to its end."""

    def __init__(
        self, run: Callable[[str], paramiko.Channel], backup_id: str, name: str, size_bytes: int | None, retry: Retry
    ) -> None:
        """Read a file.

        Args:
            run: starts a one-shot command on the control account.
            backup_id: the backup.
            name: the file.
            size_bytes: how long it is; None where that is not known.
            retry: how long a lost connection is tried again.
        """
        self._run = run
        self._backup_id = backup_id
        self._name = name
        self._size_bytes = size_bytes
        self._retry = retry
        self._offset = 0
        self._channel: paramiko.Channel | None = None
        self._is_at_end = False

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; empty at the end.

        Raises:
            ConnectionLost: the connection was lost and stayed lost.
            ThaniyaError: the server does not give the file.
        """
        while not self._is_at_end:
            try:
                data = self._read_once(_READ_BYTES if size < 0 else size)
            except ConnectionLost as exc:
                self.close()
                self._retry.pause(exc)
                continue
            if data:
                self._retry.reset()
                self._offset += len(data)
                return data
        return b""

    def close(self) -> None:
        """Stop reading."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _read_once(self, size: int) -> bytes:
        if self._channel is None:
            self._channel = self._run(f"fetch {self._backup_id} {self._name} {self._offset}")
        try:
            data: bytes = self._channel.recv(size)
        except LOST as exc:
            raise ConnectionLost(f"the connection was lost while reading {self._name}: {exc or 'time-out'}") from exc
        if not data:
            self._finish(self._channel)
        return data

    def _finish(self, channel: paramiko.Channel) -> None:
        """Tell the end of the file from an error and from a lost connection."""
        exit_code = channel.recv_exit_status()
        if exit_code > 0:
            raise _as_error(exit_code, channel.recv_stderr(4000).decode("utf-8", "replace"))
        if exit_code < 0 or (self._size_bytes is not None and self._offset < self._size_bytes):
            raise ConnectionLost(f"the connection was lost after {self._offset} bytes of {self._name}")
        self._is_at_end = True


def _as_error(exit_code: int, stderr: str) -> ThaniyaError:
    """The error that a one-shot command ended with, from its exit code and what it told."""
    message = stderr.strip().removeprefix("thaniya: ") or f"the server's command ended with exit code {exit_code}"
    if exit_code == _GENERAL_FAILURE:
        return ThaniyaError(message)
    return next((cls(message) for cls in all_errors() if cls.exit_code == exit_code), ThaniyaError(message))
