"""What the gate needs from the server. `CallerServices` provides it; the gate knows nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from msgspec import Struct

from thaniya_core.formats.manifest import BackupDocument, Manifest
from thaniya_core.model import Backup, PublicKey, Upload


class Caller(Struct, frozen=True):
    """Who speaks: a user that has been let in by its key."""

    user: str
    peer: str = ""
    """The client's address; empty where it is not known."""

    @property
    def actor(self) -> str:
        """As the audit log shows it."""
        return f"{self.user}@{self.peer}" if self.peer else self.user


class AuthorizedKey(Struct, frozen=True):
    """A key that may log in to an account now."""

    user: str
    key: PublicKey


class Services(Protocol):
    """The verbs behind the broker. Each checks that the caller is enabled and may do this.

    All raise errors of `thaniya_core.errors`; another user's upload or backup is NotFound, like one that is not there.
    """

    def authorized_keys(self, account: str) -> list[AuthorizedKey]:
        """Who may log in to an account: every enabled user for the control account; for a slot account the user whose
        open upload holds the slot; nobody for any other name or state."""
        ...

    def note_login(self, account: str, user: str, peer: str, ok: bool, detail: str = "") -> None:
        """Write a login or a refused one to the audit log."""
        ...

    def note_refusal(self, caller: Caller, command: str, detail: str) -> None:
        """Write to the audit log that a caller was refused what it asked for."""
        ...

    def allocate(
        self, caller: Caller, host: str, name: str, expected_bytes: int | None, parents: Sequence[str] = ()
    ) -> Upload:
        """Open an upload. Its `parent` is the first of `parents` that an increment can be made on now."""
        ...

    def complete(self, caller: Caller, upload_id: str, manifest: Manifest | None) -> Upload:
        """Close the slot and send the files on their way to the archive. Gives the upload once it is spooled or has
        ended. Repeated with the same manifest it gives the upload as it is now."""
        ...

    def abort(self, caller: Caller, upload_id: str, reason: str) -> Upload: ...

    def upload(self, caller: Caller, upload_id: str, known_state: str = "", wait_s: float = 0.0) -> Upload:
        """One upload, open or ended; waits up to `wait_s` while its state is `known_state`."""
        ...

    def uploads(self, caller: Caller) -> list[Upload]:
        """The caller's open uploads and the 50 newest ended ones, the newest first."""
        ...

    def backups(self, caller: Caller, host: str, name: str, limit: int, before: str) -> list[Backup]:
        """The caller's backups, the newest first; an empty host or name stands for all."""
        ...

    def contents(self, caller: Caller, backup_id: str) -> BackupDocument: ...

    def open_file(self, caller: Caller, backup_id: str, name: str) -> BinaryIO:
        """A file of a backup, unbuffered, to read as it is stored. backup.json, SHA256SUMS and RESTORE.txt too."""
        ...

    def free_bytes(self, upload: Upload) -> int:
        """What can still be written for an upload on the disk of the slots."""
        ...


class SlotSession(Protocol):
    """A login to a slot account that lasts until `end` or until the server ends it."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold this around each change of a file in the slot.

        Raises:
            NotAllowed: the slot has closed; nothing may be written any more.
        """
        ...

    def end(self) -> None:
        """The login is over."""
        ...


class SlotSessions(Protocol):
    """The logins to slot accounts of an embedded server."""

    def begin(self, slot: str, upload_id: str, close: Callable[[], None]) -> SlotSession:
        """Enter a login. `close` is called, from another thread, to disconnect it when the slot closes.

        Raises:
            NotAllowed: the upload does not hold the slot any more.
        """
        ...

    def directory(self, slot: str) -> Path:
        """The slot's upload directory."""
        ...

    def upload_of(self, slot: str) -> str | None:
        """The open upload that holds the slot now."""
        ...
