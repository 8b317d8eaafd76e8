"""The directory that a backup is restored into, and the file that marks it while that is going on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaniya_core.errors import AlreadyExists, WrongUsage
from thaniya_core.system.files import os_errors

MARKER_PREFIX = ".thaniya-restoring-"


@contextmanager
def marked_directory(target: Path, backup_id: str, *, overwrite: bool) -> Iterator[None]:
    """Make the directory and mark it for the length of the block; after an exception the mark stays.

    Raises:
        AlreadyExists: the directory is not empty, and does not bear the mark of an earlier try.
        WrongUsage: it is no directory.
    """
    marker = target / f"{MARKER_PREFIX}{backup_id}"
    with os_errors(f"restore into {target}"):
        _check(target, marker, overwrite)
        target.mkdir(parents=True, exist_ok=True)
        marker.write_text(f"A restore of backup {backup_id} is going on here, or was interrupted.\n")
    yield
    with os_errors(f"remove {marker}"):
        _remove_without_trace(marker)


def _check(target: Path, marker: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise WrongUsage(f"{target} is not a directory")
    if overwrite or marker.exists():
        return
    if any(target.iterdir()):
        raise AlreadyExists(
            f"{target} is not empty", hint="restore into a new directory, or say that files may be overwritten"
        )


def _remove_without_trace(marker: Path) -> None:
    """Remove the marker and leave mode and times of its directory as they were restored."""
    directory = marker.parent
    status = directory.stat()
    try:
        marker.unlink(missing_ok=True)
    except PermissionError:
        directory.chmod(0o700)
        marker.unlink(missing_ok=True)
        directory.chmod(status.st_mode & 0o7777)
    os.utime(directory, ns=(status.st_atime_ns, status.st_mtime_ns))
