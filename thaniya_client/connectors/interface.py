"""What a place for backups must be able to do. The driver knows nothing else of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from thaniya_client.values import Outcome
from thaniya_core.formats.manifest import BackupDocument, Manifest
from thaniya_core.formats.names import Series
from thaniya_core.formats.protocol import BackupSummary


class FileWriter(Protocol):
    """One file of an upload, written from its beginning to its end. `write` may be called in another thread."""

    def write(self, data: bytes, /) -> object: ...

    def close(self) -> None:
        """Make sure that every byte has arrived.

        Raises:
            ThaniyaError: it has not.
        """
        ...

    def abandon(self) -> None:
        """Give the file up: a write that waits in another thread ends soon. Harmless when it is closed."""
        ...


class FileReader(Protocol):
    """One file of a backup, from the offset asked for to its end."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        ...

    def close(self) -> None: ...


class Upload(Protocol):
    """A backup that is being made."""

    @property
    def id(self) -> str: ...

    @property
    def series(self) -> Series: ...

    def open(self, name: str) -> FileWriter:
        """Begin a file. One file is written at a time."""
        ...

    def finish(self, manifest: Manifest, wait: bool, on_wait: Callable[[str], None]) -> Outcome:
        """Say that all files are there, and have them archived.

        Args:
            manifest: names, sizes and sums of all files.
            wait: come back when it is archived; otherwise when it is received.
            on_wait: is called with the state whenever it changes, and at least once a minute.

        Raises:
            ThaniyaError: it was not archived; the error says why.
        """
        ...

    def abort(self, reason: str) -> None:
        """Give the upload up; nothing of it stays. Harmless when it is finished or aborted."""
        ...


class Connector(Protocol):
    """A place that keeps backups."""

    def begin(self, host: str, name: str, expected_bytes: int | None) -> Upload:
        """Begin a backup of the series `host` and `name`.

        Args:
            host: the series' middle part.
            name: the series' last part.
            expected_bytes: how much will come at the most; None where that is not known.
        """
        ...

    def backups(self, host: str = "", name: str = "") -> Iterator[BackupSummary]:
        """The caller's backups, the newest first; an empty host or name stands for all."""
        ...

    def document(self, backup_id: str) -> BackupDocument:
        """The backup.json of a backup.

        Raises:
            NotFound: there is no such backup.
        """
        ...

    def open_file(self, backup_id: str, name: str, size_bytes: int | None) -> FileReader:
        """Read a file of a backup as it is stored.

        Args:
            backup_id: the backup.
            name: the file; backup.json, SHA256SUMS and RESTORE.txt too.
            size_bytes: how long the file is, so that a lost connection is noticed; None where that is not known.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files. Harmless when repeated."""
        ...
