"""The messages between client and server: JSON lines over the control account's `session` command.

The client asks, the server answers each request with one line, in order. The first request is `hello`, which agrees the
version. A line is one JSON object with a `type`, at most LINE_LIMIT bytes with its newline. Unknown fields are ignored,
so that fields may be added; an unknown type or a field of the wrong type is answered with an `error` and changes
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from thaniya_core.errors import (
    ProtocolViolated,
    ThaniyaError,
    UploadRejected,
    VersionsDiffer,
    WrongState,
    from_wire,
)
from thaniya_core.formats.manifest import BackupDocument, Manifest

VERSIONS = (1,)
"""The protocol versions that this module speaks."""

LINE_LIMIT = 1024 * 1024
"""Bytes of one request with its newline. A manifest of about 7,000 files fits."""

REPLY_LIMIT = 16 * 1024 * 1024
"""Bytes of one reply with its newline."""

PARENTS_LIMIT = 16
"""So many parents may be offered."""

UPLOAD_DIRECTORY = "upload"
"""Where in a slot account the files go."""

Text = Annotated[str, Meta(max_length=1000)]
Bytes = Annotated[int, Meta(ge=0, le=2**62)]


class UploadState(StrEnum):
    """Where an upload is on its way, or how it ended."""

    OPEN = "open"
    CLOSING = "closing"
    SPOOLED = "spooled"
    ARCHIVED = "archived"
    ABORTED = "aborted"
    """Ended by the client or an administrator."""
    EXPIRED = "expired"
    """The client was silent for too long."""
    REJECTED = "rejected"
    """Sums, sizes or kinds of files were wrong, or it was larger than allowed."""
    FAILED = "failed"
    """It ended on our side."""

    @property
    def is_ended(self) -> bool:
        return self not in (UploadState.OPEN, UploadState.CLOSING, UploadState.SPOOLED)


class Message(Struct, frozen=True, tag_field="type", omit_defaults=True):
    """The root of all messages."""


class Hello(Message, frozen=True, tag="hello"):
    """Say who calls and which versions it speaks."""

    versions: tuple[int, ...]
    client: Text = ""


class Allocate(Message, frozen=True, tag="allocate"):
    """Ask for a slot."""

    host: Text
    name: Text
    expected_bytes: Bytes | None = None
    """How much will be uploaded at the most, all files together. None where the client cannot know."""
    parents: Annotated[tuple[Text, ...], Meta(max_length=PARENTS_LIMIT)] = ()
    """Backups of the series that an increment could be made on, the preferred first. None: a full backup."""


class Status(Message, frozen=True, tag="status"):
    """Ask how an upload is getting on; with `known_state` the answer waits until the state is another."""

    upload: Text
    known_state: Text = ""
    wait_s: Annotated[float, Meta(ge=0, le=60)] = 0.0


class Complete(Message, frozen=True, tag="complete"):
    """Say that everything is uploaded. A repeated `complete` with the same manifest gets the same answer."""

    upload: Text
    manifest: Manifest | None = None
    """None: the server computes the sums itself and says so in backup.json."""


class Abort(Message, frozen=True, tag="abort"):
    """Give an upload up."""

    upload: Text
    reason: Text = ""


class Uploads(Message, frozen=True, tag="uploads"):
    """List the caller's open uploads and the newest ended ones."""


class Backups(Message, frozen=True, tag="backups"):
    """List the caller's backups, the newest first."""

    host: Text = ""
    name: Text = ""
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    before: Text = ""
    """Only backups older than this id: for the next page."""


class Contents(Message, frozen=True, tag="contents"):
    """Ask for the backup.json of a backup. Its files are read with the one-shot verb `fetch ID FILE [OFFSET]`."""

    backup: Text


Request = Hello | Allocate | Status | Complete | Abort | Uploads | Backups | Contents


class Welcome(Message, frozen=True, tag="welcome"):
    """The answer to `hello`."""

    version: int
    server: str
    user: str
    now: datetime
    """The server's clock."""


class Allocated(Message, frozen=True, tag="allocated"):
    """The answer to `allocate`: log in as `slot` on the same host and port and put files into `directory`."""

    upload: str
    slot: str
    directory: str = UPLOAD_DIRECTORY
    allowed_bytes: int | None = None
    """More than this is rejected; None: no limit but the space."""
    parent: str | None = None
    """The first of the parents offered that is in the archive, good and whole with all it builds on."""
    parent_refused: str = ""
    """Why there is no parent, where some were offered. A server that says neither knows no increments."""


class UploadStatus(Message, frozen=True, tag="upload"):
    """How an upload is getting on: the answer to `status`, `complete` and `abort`."""

    upload: str
    state: str
    """An `UploadState`; a later version may know more of them."""
    user: str
    host: str
    name: str
    created_at: datetime
    received_bytes: int = 0
    reason: str = ""
    """Why it ended, or why archiving is being retried."""
    slot: str = ""
    stored_bytes: int | None = None
    """Once archived: bytes on the volume."""
    free_bytes: int | None = None
    """While it is open: what is left for it on the server's disk."""


class UploadList(Message, frozen=True, tag="uploads"):
    """The answer to `uploads`."""

    uploads: tuple[UploadStatus, ...]


class BackupSummary(Struct, frozen=True):
    """One line of a list of backups."""

    id: str
    user: str
    host: str
    name: str
    created_at: datetime
    files: int
    stored_bytes: int
    original_bytes: int
    warning_count: int = 0
    broken: bool = False
    """It, or a backup that it builds on, is damaged or gone."""
    parent: str | None = None
    """The backup that an increment builds on."""
    tags: tuple[str, ...] = ()


def summarize_backup(document: BackupDocument, *, broken: bool = False, tags: tuple[str, ...] = ()) -> BackupSummary:
    """A backup's line in a list."""
    return BackupSummary(
        id=document.id,
        user=document.user,
        host=document.host,
        name=document.name,
        created_at=document.created_at,
        files=len(document.files),
        stored_bytes=document.stored_bytes,
        original_bytes=document.original_bytes,
        warning_count=document.warning_count,
        broken=broken,
        parent=document.parent,
        tags=tags,
    )


class BackupList(Message, frozen=True, tag="backups"):
    """The answer to `backups`."""

    backups: tuple[BackupSummary, ...]


class BackupContents(Message, frozen=True, tag="contents"):
    """The answer to `contents`."""

    document: BackupDocument


class ErrorReply(Message, frozen=True, tag="error"):
    """The request was not carried out."""

    code: str
    """The wire code of an error of `thaniya_core.errors`."""
    message: str
    hint: str = ""

    def to_error(self) -> ThaniyaError:
        return from_wire(self.code, self.message, self.hint)


Reply = Welcome | Allocated | UploadStatus | UploadList | BackupList | BackupContents | ErrorReply

_encoder = msgspec.json.Encoder()
_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_reply_decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def encode(message: Message) -> bytes:
    """A message as its line, with the newline."""
    return _encoder.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """Read a client's line.

    Raises:
        ProtocolViolated: the line is too long, no JSON, of an unknown type, or a field is missing or of the wrong type.
    """
    if len(line) > LINE_LIMIT:
        raise ProtocolViolated(f"the line is longer than {LINE_LIMIT} bytes")
    try:
        return _request_decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolViolated(f"the line is not a request: {exc}") from exc


def decode_reply(line: bytes) -> Reply:
    """Read a server's line.

    Raises:
        ProtocolViolated: as `decode_request`.
    """
    try:
        return _reply_decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolViolated(f"the server's answer is not understood: {exc}", hint="is it a Thaniya server?") from exc


def error_reply(error: ThaniyaError) -> ErrorReply:
    """The message that carries an error to the client."""
    return ErrorReply(error.code, error.message, error.hint)


def ending_error(upload: str, state: str, reason: str) -> ThaniyaError:
    """The error for an upload that ended without a backup."""
    message = f"upload {upload} was not archived, it is {state}" + (f": {reason}" if reason else "")
    match state:
        case UploadState.REJECTED:
            return UploadRejected(message, upload=upload)
        case UploadState.ABORTED | UploadState.EXPIRED:
            return WrongState(message, hint="make the backup again", upload=upload)
        case _:
            return ThaniyaError(message, hint="tell the server's administrator", upload=upload)


def agree_version(offered: Sequence[int]) -> int:
    """The highest version that both sides speak.

    Raises:
        VersionsDiffer: there is none.
    """
    common = set(offered) & set(VERSIONS)
    if not common:
        raise VersionsDiffer(
            f"the client speaks protocol {_listed(offered)}, this server {_listed(VERSIONS)}",
            hint="upgrade the older of the two",
        )
    return max(common)


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(str(version) for version in list(versions)[:10]) or "none"
