"""Where things lie on a volume: the same on a server's disk and in a directory that a client keeps backups in.

volume.json
archive/<user>/<host>/<name>/<id>/    a backup
.incoming/<id>/                       being written: never counted, cleaned at start
.removing/<id>/                       being removed: never counted, cleaned at start
.testing/                             where backups are restored on trial: never counted, cleaned at start
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from thaniya_core.errors import IntegrityFailed
from thaniya_core.formats.names import Series, check_id

FORMAT = 1
VOLUME_FILE = "volume.json"


class VolumeDocument(Struct, frozen=True):
    """volume.json: tells a volume wherever it is mounted."""

    id: str
    label: str
    format: int = FORMAT


_CURE = "put it back as it was, with the id that `thaniya volume list` shows; see docs/disaster.md"


def encode_volume(document: VolumeDocument) -> bytes:
    """volume.json as it is written."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode_volume(data: bytes, where: str) -> VolumeDocument:
    """Read volume.json.

    Raises:
        IntegrityFailed: it is damaged or of a later format.
    """
    try:
        document = msgspec.json.decode(data, type=VolumeDocument)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise IntegrityFailed(f"{where} cannot be read: {exc}", hint=_CURE) from exc
    if document.format > FORMAT:
        raise IntegrityFailed(f"{where} has format {document.format}, this version knows {FORMAT}", hint="upgrade")
    return document


def archive_directory(root: Path) -> Path:
    """Where the backups of a volume lie."""
    return root / "archive"


def series_directory(root: Path, series: Series) -> Path:
    """Where the backups of a series lie."""
    return archive_directory(root) / series.user / series.host / series.name


def backup_directory(root: Path, series: Series, backup_id: str) -> Path:
    """The directory of one backup."""
    return series_directory(root, series) / check_id(backup_id)


def incoming_place(root: Path) -> Path:
    """Where backups are written before they are renamed into place."""
    return root / ".incoming"


def removing_place(root: Path) -> Path:
    """Where backups are renamed to before their files are removed."""
    return root / ".removing"


def testing_place(root: Path) -> Path:
    """Where backups are restored on trial."""
    return root / ".testing"


def incoming_directory(root: Path, backup_id: str) -> Path:
    """Where one backup is written."""
    return incoming_place(root) / check_id(backup_id)


def removing_directory(root: Path, backup_id: str) -> Path:
    """Where one backup is while it is removed."""
    return removing_place(root) / check_id(backup_id)
