"""Reading the contents lists of archived backups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from msgspec import Struct

from thaniya_core.errors import IntegrityFailed
from thaniya_core.formats.compression import BUFFER_BYTES, DECOMPRESSION_ERRORS, open_reader
from thaniya_core.formats.contents import ContentsEntry, decode_entries, split_lines
from thaniya_core.formats.encryption import identity_needed
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, find_tree
from thaniya_core.formats.restoring import all_parts, restored_path
from thaniya_core.system.files import open_regular, os_errors

_DAMAGED: tuple[type[Exception], ...] = (*DECOMPRESSION_ERRORS, ValueError)
"""What reading a damaged list raises."""


class Inside(Struct, frozen=True):
    """What a backup restores: a member of a tar archive that has a contents list, or a plain file."""

    path: bytes
    """Below the target of a restore, as `restore_backup` takes it."""
    size_bytes: int | None
    entry: ContentsEntry | None = None
    """Its line in the contents list; None for a plain file."""


def read_inside(directory: Path, document: BackupDocument) -> Iterator[Inside]:
    """What is inside a backup, read as it is asked for. A tar archive without a contents list is passed over.

    Of an increment it is the whole tree, with what lies in the backups that it builds on.

    Args:
        directory: where the backup lies.
        document: what is known of it.

    Raises:
        IdentityNeeded: a contents list is encrypted.
        NotFound, NotAllowed, ThaniyaError: one cannot be opened.
        IntegrityFailed: one is damaged.
    """
    for part in all_parts(document.files):
        if part.file.kind is FileKind.FILE:
            size_bytes = None if part.file.is_encrypted else part.file.restored_bytes
            yield Inside(part.file.restored_name.encode(), size_bytes)
            continue
        contents = find_tree(document.files, part.file)
        for entry in () if contents is None else read_contents(directory, contents):
            yield Inside(restored_path(part.directory, entry.path), entry.size_bytes, entry)


def unlisted_archives(document: BackupDocument) -> tuple[BackupFile, ...]:
    """The tar archives of a backup that no contents list tells of, and increments whose tree none tells of."""
    return tuple(
        file for file in document.files if file.kind is FileKind.TAR and find_tree(document.files, file) is None
    )


def read_contents(directory: Path, file: BackupFile) -> Iterator[ContentsEntry]:
    """The entries of a contents list, read as they are asked for.

    Args:
        directory: where the backup lies.
        file: the list.

    Raises:
        IdentityNeeded: it is encrypted.
        NotFound, NotAllowed, ThaniyaError: it cannot be opened.
        IntegrityFailed: it is damaged.
    """
    if file.is_encrypted:
        raise identity_needed(directory.name, file.name)
    with os_errors(f"open {file.name} of {directory.name}"):
        descriptor = open_regular(directory / file.name)
    with os.fdopen(descriptor, "rb", buffering=0) as stored, open_reader(stored, file.compression) as reader:
        try:
            yield from decode_entries(split_lines(iter(partial(reader.read, BUFFER_BYTES), b"")))
        except _DAMAGED as exc:
            raise IntegrityFailed(f"{file.name} of {directory.name} is damaged: {exc}") from exc
