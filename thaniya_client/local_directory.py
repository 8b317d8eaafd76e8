"""`LocalDirectory`: backups in a directory, without a server."""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path

from thaniya_client.connectors.local import LocalConnector
from thaniya_client.target import Target
from thaniya_core.formats.names import check_user


class LocalDirectory(Target):
    """A directory that keeps backups: a second disk, a mounted share.

        LocalDirectory("/mnt/disk").backup(Directory("/home"), name="nightly")

    The layout is that of a server's volume, so each backup can be restored with its RESTORE.txt alone.
    """

    def __init__(self, path: str | Path, *, user: str | None = None) -> None:
        """Use a directory that is there already.

        Args:
            path: the directory; it is never made, because it may be a mount point.
            user: the series' first part; by default the login name.
        """
        self.path = Path(path).expanduser().absolute()
        self.user = default_user() if user is None else check_user(user)
        super().__init__(LocalConnector(self.path, self.user), f"{self.user} in {self.path.resolve()}")

    def __repr__(self) -> str:
        return f"LocalDirectory({str(self.path)!r})"

    def _user(self) -> str:
        return self.user


def default_user() -> str:
    """The login name, made legal for a series."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = f"uid{os.getuid()}"
    return re.sub(r"[^a-z0-9_-]", "-", name.lower()).lstrip("0123456789_-")[:32] or "user"
