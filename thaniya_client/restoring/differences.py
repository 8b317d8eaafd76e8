"""Compares what two backups hold, by their contents lists."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from enum import StrEnum
from itertools import groupby
from operator import itemgetter

import msgspec
from msgspec import Struct

from thaniya_client.connectors.interface import Connector
from thaniya_client.restoring.contents import Inside, list_inside
from thaniya_client.restoring.fetching import open_checked, read_decompressed
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind
from thaniya_core.formats.names import check_id
from thaniya_core.formats.restoring import all_parts

_BEFORE, _AFTER = 0, 1


class Change(StrEnum):
    """What became of a path."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Facts(Struct, frozen=True):
    """What is known of a path in one of the backups."""

    size_bytes: int | None = None
    mode: str = ""
    """As `ls -l` shows it; empty for a plain file. A hard link has the type `h`."""
    owner: str = ""
    mtime: str = ""
    target: str = ""
    sha256: str = ""
    """Of a plain file."""


class Difference(Struct, frozen=True):
    """A path that is not the same in two backups."""

    change: Change
    path: bytes
    what: tuple[str, ...] = ()
    """Which facts have changed: `size`, `mode`, `owner`, `mtime`, `target`, `content`."""
    before: Facts | None = None
    after: Facts | None = None


def compare_backups(
    connector: Connector, before_id: str, after_id: str, identities: Sequence[object] = ()
) -> Iterator[Difference]:
    """See `Target.diff`. SQLite sorts the lists, in temporary files: memory does not grow with them."""
    with closing(sqlite3.connect("")) as database:
        database.execute("CREATE TABLE inside (path BLOB, side INTEGER, facts BLOB)")
        for side, backup_id in ((_BEFORE, before_id), (_AFTER, after_id)):
            listed = _list(connector, backup_id, identities)
            rows = ((one.path, side, msgspec.json.encode(_facts(one))) for one in listed)
            database.executemany("INSERT INTO inside VALUES (?, ?, ?)", rows)
        found = database.execute("SELECT path, side, facts FROM inside ORDER BY path, side")
        for path, group in groupby(found, key=itemgetter(0)):
            sides = {side: msgspec.json.decode(facts, type=Facts) for _, side, facts in group}
            difference = _compare(path, sides.get(_BEFORE), sides.get(_AFTER))
            if difference is not None:
                yield difference


def _list(connector: Connector, backup_id: str, identities: Sequence[object]) -> Iterator[Inside]:
    document = connector.document(check_id(backup_id))
    for part in all_parts(document.files):
        if part.file.kind is FileKind.FILE and part.file.is_encrypted:
            yield _decrypted(connector, document, part.file, identities)
        else:
            yield from list_inside(connector, document, part, identities)


def _decrypted(
    connector: Connector, document: BackupDocument, file: BackupFile, identities: Sequence[object]
) -> Inside:
    """A plain file with the sum of what is in it: as it is stored it never has the same sum twice."""
    digest, size_bytes = hashlib.sha256(), 0
    with open_checked(connector, document, file, identities=identities) as (checked, stream):
        for data in read_decompressed(checked, stream, file):
            digest.update(data)
            size_bytes += len(data)
    return Inside(file.restored_name.encode(), size_bytes, sha256=digest.hexdigest())


def _facts(inside: Inside) -> Facts:
    entry = inside.entry
    if entry is None:
        return Facts(inside.size_bytes, sha256=inside.sha256)
    target = "" if entry.target is None else entry.target.decode("utf-8", "backslashreplace")
    return Facts(entry.size_bytes, entry.mode, entry.owner, entry.mtime, target)


def _compare(path: bytes, before: Facts | None, after: Facts | None) -> Difference | None:
    if before is None:
        return Difference(Change.ADDED, path, after=after)
    if after is None:
        return Difference(Change.REMOVED, path, before=before)
    what = _changed(before, after)
    return Difference(Change.CHANGED, path, what, before, after) if what else None


def _changed(before: Facts, after: Facts) -> tuple[str, ...]:
    """Which facts differ.

    The time of a directory says only that something in it came or went. Which of a file's names is the hard link is an
    accident of the order that they were packed in; the link has neither size nor target of its own.
    """
    kinds = before.mode[:1] + after.mode[:1]
    is_link, is_directory = "h" in kinds, kinds == "dd"
    mode_differs = before.mode[1:] != after.mode[1:] if is_link else before.mode != after.mode
    differs = {
        "size": before.size_bytes != after.size_bytes and not is_link,
        "mode": mode_differs,
        "owner": before.owner != after.owner,
        "mtime": before.mtime != after.mtime and not is_directory,
        "target": before.target != after.target and not is_link,
        "content": before.sha256 != after.sha256,
    }
    return tuple(name for name, is_other in differs.items() if is_other)
