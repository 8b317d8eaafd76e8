"""The directory that a backup is restored into, and what marks it while that is going on.

A new or empty target is filled by way of a directory in it, `.thaniya-restoring-ID`: the backup is unpacked there and
moved up in the end. A restore that was interrupted leaves that directory, and the next try begins with a fresh one: an
archive must not meet the links that an earlier, broken off try of it has made, which could lead it out of the target.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaniya_core.errors import AlreadyExists, WrongUsage
from thaniya_core.system.files import os_errors, remove_tree

MARKER_PREFIX = ".thaniya-restoring-"


def marker_of(target: Path, backup_id: str) -> Path:
    """What lies in a target while a restore into it is not finished."""
    return target / f"{MARKER_PREFIX}{backup_id}"


def check_target(target: Path, backup_id: str, *, overwrite: bool) -> None:
    """Make sure that a backup may be restored into a directory; one that is not there yet will be made.

    Raises:
        AlreadyExists: it is not empty, and does not bear the mark of an earlier try.
        WrongUsage: it is no directory.
    """
    with os_errors(f"restore into {target}"):
        if not target.exists():
            return
        if not target.is_dir():
            raise WrongUsage(f"{target} is not a directory")
        if overwrite or marker_of(target, backup_id).exists():
            return
        if any(target.iterdir()):
            raise AlreadyExists(
                f"{target} is not empty; nothing was restored",
                hint="give a new or empty directory, or --overwrite to restore over what is there",
            )


@contextmanager
def marked_directory(target: Path, backup_id: str, *, overwrite: bool) -> Iterator[Path]:
    """Make the target and give the directory to unpack into for the length of the block.

    That is one in the target, whose content, mode and times become those of the target in the end; or, with
    `overwrite`, the target itself, which is trusted with all the links in it. After an exception the mark stays.

    Raises:
        AlreadyExists, WrongUsage: see `check_target`.
    """
    check_target(target, backup_id, overwrite=overwrite)
    marker = marker_of(target, backup_id)
    with os_errors(f"restore into {target}"):
        target.mkdir(parents=True, exist_ok=True)
        make_writable(marker)
        remove_tree(marker)
        marker.mkdir(mode=0o700)
    yield target if overwrite else marker
    with os_errors(f"restore into {target}"):
        if overwrite:
            _remove_without_trace(marker)
        else:
            _move_up(marker, target)


def _move_up(marker: Path, target: Path) -> None:
    status = marker.stat()
    marker.chmod(0o700)
    for entry in sorted(marker.iterdir()):
        place = target / entry.name
        if os.path.lexists(place):
            remove_tree(place)  # an earlier try was interrupted while it moved
        _move(entry, place)
    marker.chmod(status.st_mode & 0o7777)
    os.utime(marker, ns=(status.st_atime_ns, status.st_mtime_ns))
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)
    shutil.copystat(marker, target)
    _remove_without_trace(marker)


def _move(entry: Path, place: Path) -> None:
    """Rename; a directory that its owner may not write cannot be given another parent as it is."""
    try:
        entry.rename(place)
    except PermissionError:
        mode = entry.lstat().st_mode & 0o7777
        entry.chmod(mode | 0o700)
        entry.rename(place)
        place.chmod(mode)


def _remove_without_trace(marker: Path) -> None:
    """Remove the empty mark, and leave mode and times of the target as they are."""
    directory = marker.parent
    status = directory.stat()
    try:
        marker.rmdir()
    except PermissionError:
        directory.chmod(0o700)
        marker.rmdir()
        directory.chmod(status.st_mode & 0o7777)
    os.utime(directory, ns=(status.st_atime_ns, status.st_mtime_ns))


def make_writable(tree: Path) -> None:
    """Let the owner remove a tree, whatever modes a restore has given its directories."""
    if not tree.is_dir() or os.geteuid() == 0:
        return
    waiting = [os.fsencode(tree)]
    while waiting:
        directory = waiting.pop()
        try:
            os.chmod(directory, 0o700)  # noqa: PTH101
            with os.scandir(directory) as entries:
                waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as exc:
            if exc.errno not in (errno.ENAMETOOLONG, errno.ENOENT):  # `remove_tree` gets along without
                raise
