"""Directories for large temporary files, which are removed even when the process that made them was killed."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaniya_core.errors import SourceFailed
from thaniya_core.system.files import remove_tree

_PREFIX = "thaniya-scratch-"
_LARGE_TEMPORARY = "/var/tmp"
"""For large temporary files, as the Filesystem Hierarchy Standard has it; /tmp may be memory."""


def scratch_place(told: str | Path | None) -> Path:
    """Where scratch directories are made: as told, or as the variable TMPDIR says, or in /var/tmp."""
    return Path(told or os.environ.get("TMPDIR") or _LARGE_TEMPORARY).expanduser().absolute()


@contextmanager
def scratch_directory(place: Path) -> Iterator[Path]:
    """A new directory that only this account may enter, gone after the block.

    What killed processes of this account have left in the same place goes away too.

    Raises:
        SourceFailed: no directory can be made there.
    """
    try:
        _clean(place)
        directory, lock = _make(place)
    except OSError as exc:
        raise SourceFailed(
            f"{place} cannot be used for temporary files: {exc.strerror}", hint="give another directory as scratch"
        ) from exc
    try:
        yield directory
    finally:
        remove_tree(directory)
        os.close(lock)


def _make(place: Path) -> tuple[Path, int]:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        lock = _try_lock(directory)
        if lock is not None and directory.exists():
            return directory, lock
        if lock is not None:
            os.close(lock)  # it was cleaned away before it was locked


def _clean(place: Path) -> None:
    for directory in place.glob(f"{_PREFIX}*"):
        try:
            is_own = directory.lstat().st_uid == os.geteuid() and not directory.is_symlink()
        except FileNotFoundError:
            continue
        lock = _try_lock(directory) if is_own else None
        if lock is not None:
            remove_tree(directory)
            os.close(lock)


def _try_lock(directory: Path) -> int | None:
    """Lock a directory; None when it is gone or a process that works in it holds the lock."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
