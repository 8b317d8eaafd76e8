"""Verification: read a backup again and compare it with what its documents say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.documents import encode_sums
from thaniya_core.formats.manifest import BackupDocument, decode_document
from thaniya_core.formats.names import BACKUP_FILE, RESERVED_FILES, RESTORE_FILE, SUMS_FILE
from thaniya_core.system.files import hash_file


def find_damage(directory: Path, document: BackupDocument, on_chunk: Callable[[int], None] | None = None) -> list[str]:
    """What is wrong with a backup, one line each; empty when every byte is as it was archived.

    Args:
        directory: where the backup lies.
        document: what the catalog knows of it.
        on_chunk: called with the number of bytes read since the last call.
    """
    damage = _check_documents(directory, document)
    for file in document.files:
        try:
            sha256, size = hash_file(directory / file.name, on_chunk)
        except OSError as exc:
            damage.append(f"{file.name} cannot be read: {exc.strerror}")
            continue
        if size != file.size_bytes:
            damage.append(f"{file.name} has {size} bytes instead of {file.size_bytes}")
        elif sha256 != file.sha256:
            damage.append(f"{file.name} has another SHA-256 than when it was archived")
    expected = {file.name for file in document.files} | RESERVED_FILES
    damage += [f"{path.name} does not belong here" for path in sorted(directory.iterdir()) if path.name not in expected]
    return damage


def _check_documents(directory: Path, document: BackupDocument) -> list[str]:
    """Whether backup.json says what the catalog knows, and SHA256SUMS fits to it and to RESTORE.txt."""
    damage: list[str] = []
    sums = {file.name: file.sha256 for file in document.files}
    for name in (BACKUP_FILE, RESTORE_FILE):
        try:
            sums[name], _ = hash_file(directory / name)
        except OSError as exc:
            damage.append(f"{name} cannot be read: {exc.strerror}")
    try:
        if (directory / SUMS_FILE).read_bytes() != encode_sums(sums):
            damage.append(f"{SUMS_FILE} does not fit to backup.json, RESTORE.txt and the files")
    except OSError as exc:
        damage.append(f"{SUMS_FILE} cannot be read: {exc.strerror}")
    try:
        if decode_document((directory / BACKUP_FILE).read_bytes(), BACKUP_FILE) != document:
            damage.append(f"{BACKUP_FILE} is not what the catalog knows")
    except (OSError, ThaniyaError) as exc:
        damage.append(f"{BACKUP_FILE} cannot be read: {exc}")
    return damage
