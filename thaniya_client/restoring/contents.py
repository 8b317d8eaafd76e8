"""Reads contents lists of a backup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from thaniya_client.connectors.interface import Connector
from thaniya_client.restoring.fetching import open_checked, read_decompressed
from thaniya_core.errors import NotFound
from thaniya_core.formats.contents import ContentsEntry, decode_entries, split_lines
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, find_contents
from thaniya_core.formats.restoring import restore_directory, restored_path


def list_contents(connector: Connector, backup_id: str, identities: Sequence[object] = ()) -> Iterator[ContentsEntry]:
    """See `Target.files`. Of several archives each path begins with the directory that the archive is restored into."""
    document = connector.document(backup_id)
    archives = [file for file in document.files if file.kind is FileKind.TAR]
    if not any(find_contents(document.files, file.name) for file in archives):
        raise NotFound(
            f"backup {backup_id} has no contents list", hint="fetch its archive and list that with `tar --list`"
        )
    for archive in archives:
        directory = restore_directory(archive, document.files)
        for entry in read_contents(connector, document, archive, identities):
            yield msgspec.structs.replace(entry, path=restored_path(directory, entry.path))


def read_contents(
    connector: Connector, document: BackupDocument, archive: BackupFile, identities: Sequence[object] = ()
) -> Iterator[ContentsEntry]:
    """The entries of an archive as its contents list has them; none where it has no list."""
    listed = find_contents(document.files, archive.name)
    if listed is None:
        return
    with open_checked(connector, document, listed, identities=identities) as (checked, stream):
        yield from decode_entries(split_lines(read_decompressed(checked, stream, listed)))
