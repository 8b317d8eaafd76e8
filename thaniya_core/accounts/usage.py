"""What lies in an upload directory."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISDIR

from thaniya_core.model import SlotUsage


def measure_directory(directory: Path, *, sessions: int | None) -> SlotUsage:
    """Count the entries of a directory and their sizes. Links are not followed, directories not entered."""
    size, stored, files, newest, inner = 0, 0, 0, 0.0, ""
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # the client has renamed or removed it
            except OSError:
                inner = entry.name  # such as what a process of the account has mounted there
                continue
            files += 1
            inner = entry.name if S_ISDIR(status.st_mode) else inner
            size += status.st_size
            stored += status.st_blocks * 512
            newest = max(newest, status.st_ctime)  # a client may set mtime as it likes
    changed_at = datetime.fromtimestamp(newest, UTC) if files else None
    return SlotUsage(size, stored, files, changed_at, sessions, inner)
