"""The contents list of the whole tree at an increment, which itself holds only what has changed.

It says what restoring the chain gives: of each directory the names that tar wrote into the increment. What the
increment does not hold itself is as it was at the parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from thaniya_client.incremental.snapshot import SnapshotNames
from thaniya_core.formats.contents import ContentsEntry


def merge_trees(
    own: Iterable[ContentsEntry], before: Iterable[ContentsEntry], names: SnapshotNames, unpacked: Set[bytes]
) -> Iterator[ContentsEntry]:
    """The entries of the whole tree.

    Args:
        own: what the increment holds; tar packs every directory.
        before: the whole tree at the parent.
        names: of the snapshot file that tar wrote with the increment.
        unpacked: paths, as tar writes them, of what could not be packed. A directory among them has no names in the
            increment, and is left by a restore as it was at the parent.
    """
    packed: set[bytes] = set()
    for entry in own:
        packed.add(entry.path)
        yield entry
    unread = {path for path in unpacked if not names.within(path)}
    for entry in before:
        if entry.path in packed:
            continue
        path = entry.path.rstrip(b"/")
        directory, _, name = path.rpartition(b"/")
        is_there = not entry.is_directory and name in names.within(directory)
        if is_there or (unread and _is_in(path, unread)):
            yield entry


def _is_in(path: bytes, unread: Set[bytes]) -> bool:
    """Whether a path, or a directory above it, is among those that could not be read."""
    while path and path not in unread:
        path = path.rpartition(b"/")[0]
    return bool(path)
