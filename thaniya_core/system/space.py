"""How large and how full file systems are."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct


class DiskSpace(Struct, frozen=True):
    """A file system as an ordinary user finds it."""

    total_bytes: int
    """What ordinary users can use of it, written or not."""
    free_bytes: int
    """What they can still write."""
    total_files: int
    """Inodes; 0 where the file system has no such limit."""
    free_files: int


def disk_space(path: Path) -> DiskSpace:
    """How large and how full the file system of a path is; as `df` counts it, without what is reserved for root."""
    usage = os.statvfs(path)
    kept_for_root = usage.f_bfree - usage.f_bavail
    return DiskSpace(
        (usage.f_blocks - kept_for_root) * usage.f_frsize,
        usage.f_bavail * usage.f_frsize,
        usage.f_files,
        usage.f_favail,
    )


def free_bytes(path: Path) -> int:
    """Bytes that an ordinary user can still write on the file system of a path."""
    return disk_space(path).free_bytes
