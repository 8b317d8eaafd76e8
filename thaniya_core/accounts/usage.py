"""What lies in an upload directory."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from thaniya_core.model import SlotUsage


def measure_directory(directory: Path, *, sessions: int | None) -> SlotUsage:
    """Count the entries of a directory and their sizes; links are not followed."""
    size, stored, files, newest = 0, 0, 0, 0.0
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # the client has renamed or removed it
            files += 1
            size += status.st_size
            stored += status.st_blocks * 512
            newest = max(newest, status.st_ctime)  # a client may set mtime as it likes
    return SlotUsage(size, stored, files, datetime.fromtimestamp(newest, UTC) if files else None, sessions)
