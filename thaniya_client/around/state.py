"""Where a client remembers what it is doing: `thaniya/runs` in the XDG state directory of its account.

HOST,NAME-SUM.lock     locked by the run that is making a backup of that series in that place; says who it is
HOST,NAME-SUM.json     what that run has to take back when it ends; gone when nothing is left to take back
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from thaniya_core.errors import NotAllowed
from thaniya_core.system.files import make_directories, os_errors


def runs_directory() -> Path:
    """Where it is, whether it is there or not."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if given.startswith("/") else Path("~/.local/state").expanduser()
    return base / "thaniya" / "runs"


def prepare_runs_directory() -> Path:
    """Make the directory when it is missing. Commands are read from it, so it must belong to this account alone.

    Raises:
        NotAllowed: others own it or may write into it, or this account may not make it.
    """
    directory = runs_directory()
    with os_errors("prepare the state directory"):
        make_directories(directory, mode=0o700)
        status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise NotAllowed(
            f"{directory} is not a directory of this account alone",
            hint="another account owns it or may write into it: find out why, and remove it",
        )
    return directory


def run_name(place: str, host: str, name: str) -> str:
    """What the files of a series' runs are called, without suffixes."""
    digest = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{host},{name}-{digest}"
