"""Hard links into directories that are new to tar.

tar packs all names of a file that has changed, so that they come back as one file. What lies in a directory that was
moved has not changed: tar packs it there, and would leave its other names, elsewhere in the tree, as they were. They
have to be packed too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from msgspec import Struct


class KnownDirectories(Struct, frozen=True):
    """What a snapshot file tells of the directories that are where they were."""

    paths: Set[bytes]
    """As tar writes them: `./alice`."""
    changed: Sequence[bytes]
    """Those of them that something may have come into, or gone from, since then."""
    since_ns: int
    """What has changed before is not packed."""


def find_split_links(root: Path, known: KnownDirectories) -> set[bytes]:
    """The paths, `./alice/notes`, of files in known directories that are linked to files in new ones."""
    top = os.fsencode(root)
    linked = {
        (status.st_dev, status.st_ino)
        for directory in _new_directories(top, known)
        for _, status in _walk(top, directory)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode) and _changed_ns(status) < known.since_ns
    }
    if not linked:
        return set()
    return {
        path
        for path, status in _walk(top, b".")
        if (status.st_dev, status.st_ino) in linked and path.rpartition(b"/")[0] in known.paths
    }


def _changed_ns(status: os.stat_result) -> int:
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _new_directories(top: bytes, known: KnownDirectories) -> Iterator[bytes]:
    """The outermost directories that the snapshot file does not know."""
    for directory in known.changed:
        for path, status in _list(top, directory):
            if stat.S_ISDIR(status.st_mode) and path not in known.paths:
                yield path


def _walk(top: bytes, directory: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    waiting = [directory]
    while waiting:
        for path, status in _list(top, waiting.pop()):
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)


def _list(top: bytes, directory: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """What lies in a directory. What cannot be read is for tar to tell."""
    try:
        with os.scandir(top + b"/" + directory) as entries:
            for entry in entries:
                try:
                    yield directory + b"/" + entry.name, entry.stat(follow_symlinks=False)
                except OSError:
                    continue
    except OSError:
        return
