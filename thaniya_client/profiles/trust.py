"""Whether a configuration may name commands to be run: only when nobody else could have written it."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from thaniya_core.errors import NotAllowed
from thaniya_core.system.files import os_errors


def check_trusted(file: Path) -> None:
    """See that this account or root alone can change a file, or put another in its place.

    The file and each directory above it must belong to this account or root, and others must not be allowed to write;
    a directory such as /tmp, in which nobody removes what belongs to others, may be written by all.

    Raises:
        NotAllowed: somebody else can; profiles name programs, which would be run with this account's rights.
    """
    with os_errors("look at the configuration"):
        real = file.resolve(strict=True)
        for path in (real, *real.parents):
            status = path.stat()
            is_sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
            if status.st_uid not in (0, os.geteuid()):
                raise _refused(file, path, "belongs to another account", f"chown {os.geteuid()}")
            if status.st_mode & 0o022 and not is_sticky:
                raise _refused(file, path, "can be written by others", "chmod go-w")


def _refused(file: Path, path: Path, why: str, mending: str) -> NotAllowed:
    where = "it" if path == file else str(path)
    return NotAllowed(
        f"the profiles of {file} are not used: {where} {why}, and they name commands that would be run",
        hint=f"{mending} {shlex.quote(str(path))}",
    )
