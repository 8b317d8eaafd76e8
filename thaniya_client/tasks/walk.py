"""Walks through a directory, the way GNU tar does."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_client.tasks.patterns import PathMatcher

_BLOCK_BYTES = 512
_ENTRY_OVERHEAD_BYTES = 4 * _BLOCK_BYTES
"""At the most, mostly: two headers, the extended header's data, and the member's line in the contents list."""
_FIXED_OVERHEAD_BYTES = 1024 * 1024


class Found(Struct, frozen=True):
    """What lies at a path."""

    path: bytes
    """From the directory on, without a leading `./`; empty for the directory itself."""
    status: os.stat_result


def walk_tree(
    root: Path, exclude: Sequence[str], one_file_system: bool, on_error: Callable[[bytes, OSError], None]
) -> Iterator[Found]:
    """Everything at and below a directory, depth first. Links are not followed.

    Each directory is followed by what it holds, because GNU tar sets a directory's time when it leaves it.

    Args:
        root: the directory.
        exclude: patterns as in `patterns`.
        one_file_system: do not enter directories of other file systems; they are given themselves.
        on_error: is called with the path of what cannot be read, and the walk goes on.
    """
    excluder = PathMatcher(exclude)
    status = root.stat()
    yield Found(b"", status)
    waiting = _list_below(root, b"", on_error)
    while waiting:
        path = waiting.pop()
        if excluder.matches(path):
            continue
        try:
            found = Found(path, os.lstat(os.fsencode(root) + b"/" + path))
        except OSError as exc:
            on_error(path, exc)
            continue
        yield found
        if stat.S_ISDIR(found.status.st_mode) and not (one_file_system and found.status.st_dev != status.st_dev):
            waiting += _list_below(root, path, on_error)


def _list_below(root: Path, directory: bytes, on_error: Callable[[bytes, OSError], None]) -> list[bytes]:
    try:
        with os.scandir(os.fsencode(root) + b"/" + directory) as entries:
            return [directory + b"/" + entry.name if directory else entry.name for entry in entries]
    except OSError as exc:
        on_error(directory, exc)
        return []


def estimate_tar_bytes(root: Path, exclude: Sequence[str], one_file_system: bool) -> int:
    """How large a tar archive of a directory will be at the most, with its contents list; holes are left out."""
    return estimate_found_bytes(root, walk_tree(root, exclude, one_file_system, lambda _path, _error: None))


def estimate_found_bytes(root: Path, everything: Iterable[Found]) -> int:
    """How large a tar archive of what was found below a directory will be at the most."""
    total = _FIXED_OVERHEAD_BYTES
    linked: set[tuple[int, int]] = set()
    for found in everything:
        total += _ENTRY_OVERHEAD_BYTES
        status = found.status
        if not stat.S_ISREG(status.st_mode):
            continue
        if status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in linked:
                continue
            linked.add((status.st_dev, status.st_ino))
        size = status.st_size
        if status.st_blocks * _BLOCK_BYTES < size:
            size = _data_bytes(os.fsencode(root) + b"/" + found.path, size)
        total += -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
    return total


def _data_bytes(path: bytes, size: int) -> int:
    """The bytes of a file that are no holes; the whole size where that cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return size
    try:
        data = position = 0
        while position < size:
            begin = os.lseek(descriptor, position, os.SEEK_DATA)
            position = os.lseek(descriptor, begin, os.SEEK_HOLE)
            data += position - begin + _BLOCK_BYTES
    except OSError:
        return data if position else size  # no more data (ENXIO), or a file system that knows no holes
    finally:
        os.close(descriptor)
    return data
