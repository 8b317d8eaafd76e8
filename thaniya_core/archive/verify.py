"""Verification: read a backup again and compare it with what its documents say.

Every stored byte is read once, for its sum and by the programs that a restore needs: tar lists each archive to its end,
what the archive compressed is decompressed; what a client has encrypted is read for its sum alone. Memory stays the
same whatever a backup holds.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from thaniya_core.archive.listing import list_archive
from thaniya_core.archive.reading import MEMORY_LIMIT, OnChunk, Reading, hash_stream, read_through
from thaniya_core.errors import CommandFailed, ThaniyaError
from thaniya_core.formats.documents import encode_sums
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, decode_document
from thaniya_core.formats.names import BACKUP_FILE, RESERVED_FILES, RESTORE_FILE, SUMS_FILE
from thaniya_core.formats.restoring import all_parts
from thaniya_core.system.files import hash_file, read_regular

T = TypeVar("T")


class Findings(Struct, frozen=True):
    """What reading a backup has shown."""

    damage: tuple[str, ...]
    """What is wrong, one line each; empty when every byte is as it was archived and can be restored."""
    untested: tuple[str, ...] = ()
    """What could not be looked into, one line each: no sign of damage."""
    unpacked_bytes: int = 0
    """What a restore takes, as the archives' own lists say."""


class _Found(Struct, frozen=True):
    """What reading one file has shown."""

    sha256: str
    size_bytes: int
    damage: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    unpacked_bytes: int = 0
    killed_by: str = ""


def examine(directory: Path, document: BackupDocument, on_chunk: OnChunk | None = None) -> Findings:
    """Read a whole backup.

    Args:
        directory: where the backup lies.
        document: what the catalog knows of it.
        on_chunk: called with the number of stored bytes read since the last call; what it raises ends the reading.

    Raises:
        CommandFailed: a program that reads it was killed; that says nothing about the backup.
    """
    damage = _check_documents(directory, document)
    untested: list[str] = []
    unpacked_bytes = 0
    for file in document.files:
        try:
            found = _read(directory, document, file, on_chunk)
        except OSError as exc:
            damage.append(f"{file.name} cannot be read: {exc.strerror}")
            continue
        unpacked_bytes += found.unpacked_bytes
        if found.size_bytes != file.size_bytes:
            damage.append(f"{file.name} has {found.size_bytes} bytes instead of {file.size_bytes}")
        elif found.sha256 != file.sha256:
            damage.append(f"{file.name} has another SHA-256 than when it was archived")
        elif found.killed_by:
            raise CommandFailed(f"what read {file.name} of {document.id} was ended by {found.killed_by}")
        else:
            damage += found.damage
            untested += found.untested
    expected = {file.name for file in document.files} | RESERVED_FILES
    damage += [f"{path.name} does not belong here" for path in sorted(directory.iterdir()) if path.name not in expected]
    return Findings(tuple(damage), tuple(untested), unpacked_bytes)


def _read(directory: Path, document: BackupDocument, file: BackupFile, on_chunk: OnChunk | None) -> _Found:
    path = directory / file.name
    if file.is_encrypted:
        sha256, size = hash_file(path, on_chunk)
        untested = f"{file.name} is encrypted: its sum alone was checked"
        return _Found(sha256, size, untested=(untested,) if file.kind is FileKind.TAR else ())
    if file.kind is FileKind.TAR:
        listed = list_archive(directory, document, file, on_chunk)
        difference = (f"{file.name} {listed.result.difference}",) if listed.result.difference else ()
        return _found(file, listed, "cannot be listed to its end", difference, listed.result.unpacked_bytes)
    if file.kind is FileKind.FILE and file.uploaded_name is not None:
        plain = read_through(path, file.compression.decompress_command.split(), hash_stream, on_chunk)
        is_another = plain.result != (file.restored_sha256, file.restored_bytes)
        differs = (f"{file.name} decompressed is not what was uploaded as {file.uploaded_name}",) if is_another else ()
        return _found(file, plain, "cannot be decompressed to its end", differs, plain.result[1])
    sha256, size = hash_file(path, on_chunk)
    return _Found(sha256, size, unpacked_bytes=size if file.kind is FileKind.FILE else 0)


def _found(file: BackupFile, reading: Reading[T], what: str, differs: tuple[str, ...], unpacked_bytes: int) -> _Found:
    damage, untested = differs, ""
    if reading.is_out_of_memory:
        damage, untested = (), f"{file.name}: decompressing it takes more memory than {MEMORY_LIMIT}"
    elif reading.failure:
        damage = (f"{file.name} {what}: {reading.failure}",)
    lines = (untested,) if untested else ()
    return _Found(reading.sha256, reading.size_bytes, damage, lines, unpacked_bytes, reading.killed_by)


def _check_documents(directory: Path, document: BackupDocument) -> list[str]:
    """Whether backup.json says what the catalog knows, SHA256SUMS fits to it, and RESTORE.txt restores its files."""
    damage: list[str] = []
    sums = {file.name: file.sha256 for file in document.files}
    for name in (BACKUP_FILE, RESTORE_FILE):
        try:
            sums[name], _ = hash_file(directory / name)
        except OSError as exc:
            damage.append(f"{name} cannot be read: {exc.strerror}")
    try:
        if read_regular(directory / SUMS_FILE) != encode_sums(sums):
            damage.append(f"{SUMS_FILE} does not fit to backup.json, RESTORE.txt and the files")
    except OSError as exc:
        damage.append(f"{SUMS_FILE} cannot be read: {exc.strerror}")
    try:
        if decode_document(read_regular(directory / BACKUP_FILE), BACKUP_FILE) != document:
            damage.append(f"{BACKUP_FILE} is not what the catalog knows")
    except (OSError, ThaniyaError) as exc:
        damage.append(f"{BACKUP_FILE} cannot be read: {exc}")
    damage += _check_restore_text(directory / RESTORE_FILE, document)
    return damage


def _check_restore_text(file: Path, document: BackupDocument) -> list[str]:
    """Whether RESTORE.txt restores what backup.json lists.

    Another version may word it otherwise, so it is not compared letter by letter (its own sum stands in SHA256SUMS): a
    command must name each file that is restored, and none may name another.
    """
    try:
        text = read_regular(file).decode("utf-8", "replace")
    except OSError:
        return []  # told already
    commands = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    named = set(_NAMED_FILE.findall(commands))
    restored = {part.file.name for part in all_parts(document.files)}
    missing = [f"{RESTORE_FILE} does not restore {name}" for name in sorted(restored - named)]
    others = named - {file.name for file in document.files}
    return missing + [f"{RESTORE_FILE} restores {name}, which is no file of it" for name in sorted(others)]


_NAMED_FILE = re.compile(r"(?<=\s)\./([A-Za-z0-9_][A-Za-z0-9._+@=,%-]*)")
