"""GNU tar's snapshot files, format 2: the directories of a tree at the last backup, and the names in each.

From its manual, section "Format of the Incremental Snapshot Files": a line `GNU tar-VERSION-2`, then fields that end
with NUL: seconds and nanoseconds of the backup's begin; for each directory whether it is on NFS, its time (seconds,
nanoseconds), device, inode and name, then its entries, each a letter and a name, an empty one, and another NUL.

tar knows a directory again by its inode, also under another name, and has what was renamed renamed on restoring. With
inodes that are used again this goes wrong, and so it does where a part of the tree is restored. So tar gets to see only
directories that are where they were: any other one is new to it, and packed whole.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from thaniya_client.incremental.links import KnownDirectories
from thaniya_core.errors import IntegrityFailed
from thaniya_core.system.files import os_errors, read_regular

_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
_CLOCK_STEP_NS = 2 * 10**9
"""Times of files may be behind the clock by so much: 10 ms by the kernel's tick, 2 s on FAT. What changed within so
much before the last backup began is packed again."""

_HEADER = re.compile(rb"(GNU tar-[^\n\0]+-2\n)(-?[0-9]+)\0([0-9]+)\0")
_DIRECTORY = re.compile(rb"([01]?)\0(-?[0-9]+)\0([0-9]+)\0([0-9]+)\0(-?[0-9]+)\0([^\0]+)\0")


class _Record(Struct, frozen=True):
    """A directory in a snapshot file, as positions in it."""

    begin: int
    names: int
    """Where its entries begin."""
    end: int
    time_ns: int
    """When it was changed last."""
    device: int
    inode: int
    path: bytes


def refresh_snapshot(
    source: Path, root: Path, into: Path, renamed_device: tuple[int, int] | None = None
) -> KnownDirectories:
    """Write the snapshot file that the next increment is made with, from that of the last backup.

    Args:
        source: the last backup's.
        root: the directory that is backed up.
        into: the new file.
        renamed_device: numbers of the tree's device then and now, where it is known to be the same one.

    Returns:
        The directories that it tells of.

    Raises:
        IntegrityFailed: it is not a snapshot file.
    """
    data, header = _read(source)
    paths: set[bytes] = set()
    changed: list[bytes] = []
    since = int(header[2]) * 10**9 + int(header[3]) - _CLOCK_STEP_NS
    top = os.fsencode(root)
    with os_errors(f"write {into}"), into.open("wb") as file:
        file.write(b"%s%d\0%d\0" % (header[1], since // 10**9, since % 10**9))
        for record in _records(data, header.end(), source):
            device = record.device
            if renamed_device is not None and device == renamed_device[0]:
                device = renamed_device[1]
            try:
                status = os.lstat(top + b"/" + record.path)
            except OSError:
                continue
            if (status.st_dev, status.st_ino) != (device, record.inode):
                continue
            paths.add(record.path)
            if status.st_mtime_ns != record.time_ns or status.st_mtime_ns >= since:
                changed.append(record.path)
            if device == record.device:
                file.write(data[record.begin : record.end])
            else:
                nfs, seconds, nanoseconds = data[record.begin : record.names].split(b"\0", 3)[:3]
                fields = (nfs, seconds, nanoseconds, b"%d" % device, b"%d" % record.inode, record.path)
                file.write(b"\0".join(fields) + b"\0" + data[record.names : record.end])
    return KnownDirectories(paths, changed, since)


class SnapshotNames:
    """What a snapshot file tells of the names in each directory, directories left out."""

    def __init__(self, snapshot: Path) -> None:
        """Read a snapshot file.

        Raises:
            IntegrityFailed: it is not a snapshot file.
        """
        self._data, header = _read(snapshot)
        records = _records(self._data, header.end(), snapshot)
        self._places = {record.path: (record.names, record.end - 2) for record in records}
        self._last: tuple[bytes, frozenset[bytes]] = (b"", frozenset())

    def within(self, directory: bytes) -> frozenset[bytes]:
        """The names in a directory, `./alice`; none where it is not known. The last directory's are kept at hand."""
        if directory != self._last[0]:
            begin, end = self._places.get(directory, (0, 0))
            entries = self._data[begin:end].split(b"\0")
            self._last = directory, frozenset(entry[1:] for entry in entries if entry and entry[:1] != b"D")
        return self._last[1]


def forget_names(snapshot: Path, paths: Iterable[bytes]) -> bytes:
    """A snapshot file without some names: what could not be packed counts as new at the next backup.

    Args:
        snapshot: the file.
        paths: as tar writes them: `./alice/notes.txt`.

    Raises:
        IntegrityFailed: it is not a snapshot file.
    """
    data, header = _read(snapshot)
    unpacked: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for path in paths:
        directory, _, name = path.rstrip(b"/").rpartition(b"/")
        unpacked[directory].add(name)
    parts = [data[: header.end()]]
    for record in _records(data, header.end(), snapshot):
        if names := unpacked.get(record.path):
            entries = data[record.names : record.end - 2].split(b"\0")
            kept = [entry + b"\0" for entry in entries if entry and entry[1:] not in names]
            parts.append(data[record.begin : record.names] + b"".join(kept) + b"\0\0")
        else:
            parts.append(data[record.begin : record.end])
    return b"".join(parts)


def _read(snapshot: Path) -> tuple[bytes, re.Match[bytes]]:
    with os_errors(f"read {snapshot}"):
        data = read_regular(snapshot, _LIMIT_BYTES)
    header = _HEADER.match(data)
    if header is None:
        raise _damaged(snapshot, 0)
    return data, header


def _records(data: bytes, position: int, snapshot: Path) -> Iterator[_Record]:
    while position < len(data):
        match = _DIRECTORY.match(data, position)
        if match is None:
            raise _damaged(snapshot, position)
        names = match.end()
        # Entries are never empty: the first two NULs in a row are the end of the last one and the empty one.
        end = names + 2 if data[names : names + 1] == b"\0" else data.find(b"\0\0", names) + 3
        if end < names + 2 or data[end - 2 : end] != b"\0\0":
            raise _damaged(snapshot, position)
        time_ns = int(match[2]) * 10**9 + int(match[3])
        yield _Record(position, names, end, time_ns, int(match[4]), int(match[5]), match[6])
        position = end


def _damaged(snapshot: Path, position: int) -> IntegrityFailed:
    return IntegrityFailed(f"{snapshot} is not a snapshot file of GNU tar, from byte {position} on")
