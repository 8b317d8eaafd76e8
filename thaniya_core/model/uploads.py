"""Uploads: on their way, and ended."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from thaniya_core.formats.names import Series
from thaniya_core.formats.protocol import UploadState as UploadState  # the wire's word, and the model's


class EndedUpload(Struct, frozen=True, gc=False):
    """An upload that has ended, in few words: quick to read where there are very many."""

    id: str
    user: str
    host: str
    name: str
    state: UploadState
    created_at: datetime
    ended_at: datetime
    reason: str = ""

    @property
    def series(self) -> Series:
        return Series(self.user, self.host, self.name)


class Upload(Struct, frozen=True):
    """One use of a slot by one user."""

    id: str
    user: str
    host: str
    name: str
    slot: str
    created_at: datetime
    last_activity_at: datetime
    """When bytes were last seen to arrive."""
    state: UploadState = UploadState.OPEN
    expected_bytes: int | None = None
    reserved_bytes: int = 0
    """What allocation keeps free for it."""
    allowed_bytes: int | None = None
    """More than this is rejected; None: no limit but the space."""
    received_bytes: int = 0
    received_files: int = 0
    bytes_per_s: int = 0
    """How fast bytes came lately."""
    sessions: int | None = None
    """How many are connected to the slot; None where nobody could tell."""
    peer: str = ""
    """The client's address."""
    ending: UploadState | None = None
    """While closing: the state it will end in; None when it goes on to the archive."""
    reason: str = ""
    """Why it ended, or why it does not get on."""
    refused_login: str = ""
    """Told of a client that logged in and spoke no SFTP; it may be why nothing was uploaded."""
    completed_at: datetime | None = None
    manifest_digest: str = ""
    """SHA-256 of the manifest that came with `complete`; empty without one. The manifest itself is in the spool."""
    ended_at: datetime | None = None
    stored_bytes: int | None = None
    """Once archived: bytes on the volume."""
    parent: str = ""
    """The backup that an increment may be made on, as it was agreed; empty for a full one."""
    parent_refused: str = ""
    """Why there is no parent, where the client has offered some."""
    volume: str = ""
    """The volume that archiving chose; an interrupted attempt is carried on there and nowhere else."""

    @property
    def series(self) -> Series:
        return Series(self.user, self.host, self.name)

    @property
    def shown_reason(self) -> str:
        """What is told to those who ask how it is getting on."""
        return self.reason or (self.refused_login if self.state is UploadState.OPEN else "")

    def in_few_words(self) -> EndedUpload | None:
        """What there is to say of it once it has ended; None before."""
        if self.ended_at is None:
            return None
        return EndedUpload(
            self.id, self.user, self.host, self.name, self.state, self.created_at, self.ended_at, self.reason
        )
