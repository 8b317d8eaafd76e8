"""Reads contents lists of a backup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from thaniya_client.connectors.interface import Connector
from thaniya_client.restoring.fetching import open_checked, read_decompressed
from thaniya_core.errors import NotFound
from thaniya_core.formats.contents import ContentsEntry, decode_entries, split_lines
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, find_contents, find_tree
from thaniya_core.formats.names import check_id
from thaniya_core.formats.restoring import Part, all_parts, restored_path


class Inside(Struct, frozen=True):
    """What restoring a backup brings: a member of a tar archive, or a plain file."""

    path: bytes
    """Below the target of a restore, without a leading `./`."""
    size_bytes: int | None = None
    """None where it is not known without reading: of a directory, of an encrypted plain file."""
    entry: ContentsEntry | None = None
    """Its line in the contents list; None for a plain file."""
    sha256: str = ""
    """Of a plain file that is not encrypted."""


def list_contents(connector: Connector, backup_id: str, identities: Sequence[object] = ()) -> Iterator[ContentsEntry]:
    """See `Target.files`. Of several archives each path begins with the directory that the archive is restored into."""
    document = connector.document(check_id(backup_id))
    archives = [part for part in all_parts(document.files) if part.file.kind is FileKind.TAR]
    unlisted = [part.file for part in archives if find_tree(document.files, part.file) is None]
    if len(unlisted) == len(archives) or any(file.incremental for file in unlisted):
        raise no_list(document, unlisted[0] if unlisted else None)
    for part in archives:
        yield from read_tree(connector, document, part, identities)


def list_inside(
    connector: Connector, document: BackupDocument, part: Part, identities: Sequence[object] = ()
) -> Iterator[Inside]:
    """What restoring a part of a backup brings.

    Raises:
        NotFound: it is an archive without a contents list.
        IdentityNeeded: its contents list is encrypted, and none of the identities opens it.
    """
    file = part.file
    if file.kind is FileKind.FILE:
        name = file.restored_name.encode()
        yield Inside(name) if file.is_encrypted else Inside(name, file.restored_bytes, sha256=file.restored_sha256)
        return
    for entry in read_tree(connector, document, part, identities):
        yield Inside(entry.path.removeprefix(b"./").rstrip(b"/") or b".", entry.size_bytes, entry)


def read_tree(
    connector: Connector, document: BackupDocument, part: Part, identities: Sequence[object] = ()
) -> Iterator[ContentsEntry]:
    """The tree that an archive gives, an increment together with what it builds on, by the paths of a restore.

    Raises:
        NotFound: it has no contents list.
        IdentityNeeded: its contents list is encrypted, and none of the identities opens it.
    """
    listed = find_tree(document.files, part.file)
    if listed is None:
        raise no_list(document, part.file)
    for entry in _read_list(connector, document, listed, identities):
        yield msgspec.structs.replace(entry, path=restored_path(part.directory, entry.path))


def read_contents(
    connector: Connector, document: BackupDocument, archive: BackupFile, identities: Sequence[object] = ()
) -> Iterator[ContentsEntry]:
    """The entries of an archive as its contents list has them; none where it has no list."""
    listed = find_contents(document.files, archive.name)
    if listed is not None:
        yield from _read_list(connector, document, listed, identities)


def no_list(document: BackupDocument, archive: BackupFile | None) -> NotFound:
    """The error for an archive, or a backup, of which no list tells what is inside."""
    whose = f"{archive.name} of backup {document.id}" if archive is not None else f"backup {document.id}"
    if archive is not None and archive.incremental:
        return NotFound(f"{whose} has no list of the whole tree", hint="restore it to see what is in it")
    return NotFound(f"{whose} has no contents list", hint="fetch its archive and list that with `tar --list`")


def _read_list(
    connector: Connector, document: BackupDocument, listed: BackupFile, identities: Sequence[object]
) -> Iterator[ContentsEntry]:
    with open_checked(connector, document, listed, identities=identities) as (checked, stream):
        yield from decode_entries(split_lines(read_decompressed(checked, stream, listed)))
