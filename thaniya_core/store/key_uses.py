"""When each key last let a client in: an empty file for each, whose time is that of the last use."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from thaniya_core.errors import WrongUsage
from thaniya_core.system.files import make_directories, os_errors

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_FILE = re.compile(r"[A-Za-z0-9_-]{43}")
_AS_FILE = str.maketrans("+/", "-_")
_AS_FINGERPRINT = str.maketrans("-_", "+/")


class KeyUses:
    """The uses of keys in a directory. Each command of each client notes one, so it costs two calls of the system."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def note(self, fingerprint: str, at: datetime) -> None:
        """Remember the time of a use.

        Raises:
            WrongUsage: it is no fingerprint.
            NoSpace, NotAllowed: it cannot be written.
        """
        file = self._file(fingerprint)
        with os_errors("note the use of a key"):
            try:
                _touch(file, at)
            except FileNotFoundError:
                make_directories(self._directory)
                _touch(file, at)

    def read(self) -> dict[str, datetime]:
        """When each key was last used, by its fingerprint; empty before one was."""
        found: dict[str, datetime] = {}
        with os_errors("read when keys were used"):
            try:
                files = list(os.scandir(self._directory))
            except FileNotFoundError:
                return {}
            for file in files:
                if _FILE.fullmatch(file.name):
                    try:
                        at = file.stat(follow_symlinks=False).st_mtime
                    except FileNotFoundError:
                        continue  # it is forgotten in this moment
                    found["SHA256:" + file.name.translate(_AS_FINGERPRINT)] = datetime.fromtimestamp(at, UTC)
        return found

    def forget(self, fingerprint: str) -> None:
        """Forget a key."""
        with os_errors("forget the use of a key"):
            self._file(fingerprint).unlink(missing_ok=True)

    def _file(self, fingerprint: str) -> Path:
        return self._directory / check_fingerprint(fingerprint).removeprefix("SHA256:").translate(_AS_FILE)


def check_fingerprint(fingerprint: str) -> str:
    """Give a key's fingerprint back when it is one, as `ssh-keygen -l` shows it.

    Raises:
        WrongUsage: it is none.
    """
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise WrongUsage(f"{fingerprint[:80]!r} is no fingerprint of a key", hint="it is written SHA256:…")
    return fingerprint


def _touch(file: Path, at: datetime) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        moment = at.timestamp()
        os.utime(descriptor, (moment, moment))
    finally:
        os.close(descriptor)
