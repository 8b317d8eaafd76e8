"""Slot accounts of the embedded kind: plain directories, and the logins that the embedded SSH server holds open.

Only the process that runs the service has logins here; it also is the only one that closes slots.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISLNK, S_ISREG

from thaniya_core.accounts.usage import measure_directory
from thaniya_core.errors import NotAllowed
from thaniya_core.formats.names import check_slot, is_legal_file
from thaniya_core.formats.protocol import UPLOAD_DIRECTORY
from thaniya_core.model import Collected, SlotUsage
from thaniya_core.system.files import fsync_directory, fsync_file, make_directories, move_file, remove_tree


class EmbeddedAccounts:
    """Virtual accounts under one directory: `thaniya_01/upload/` and so on."""

    def __init__(self, directory: Path, upload_of: Callable[[str], str | None]) -> None:
        """
        Args:
            directory: where the accounts' directories lie.
            upload_of: tells which open upload holds a slot now.
        """
        self._directory = directory
        self._upload_of = upload_of
        self._sessions: dict[str, set[_Session]] = {}
        self._lock = threading.Lock()

    def create(self, slot: str) -> None:
        """Make a slot's directory; harmless when it is there."""
        make_directories(self.directory(slot))

    def remove(self, slot: str) -> None:
        """Remove a slot's directory with what is in it."""
        self.lock(slot)
        remove_tree(self.directory(slot).parent)

    def unlock(self, slot: str) -> None:
        """Virtual accounts have no lock of their own: the state of the slot decides at each login."""

    def directory(self, slot: str) -> Path:
        """The slot's upload directory."""
        return self._directory / check_slot(slot) / UPLOAD_DIRECTORY

    def upload_of(self, slot: str) -> str | None:
        """The open upload that holds the slot now."""
        return self._upload_of(slot)

    def begin(self, slot: str, upload_id: str, close: Callable[[], None]) -> _Session:
        """Enter a login; `close` disconnects it when the slot closes.

        Raises:
            NotAllowed: the upload does not hold the slot any more.
        """
        session = _Session(self, slot, close)
        with self._lock:
            self._sessions.setdefault(slot, set()).add(session)
        # Entered first, checked then: a slot that closes in between finds the login and ends it.
        if self._upload_of(slot) != upload_id:
            session.end()
            raise NotAllowed(f"the upload {upload_id} does not hold {slot} any more")
        return session

    def lock(self, slot: str) -> None:
        """Disconnect every login of a slot. When this returns nothing writes there any more; see also `unlock`."""
        with self._lock:
            sessions = self._sessions.pop(slot, set())
        for session in sessions:
            session.stop_writing()
        for session in sessions:
            session.close()

    def usage(self, slot: str) -> SlotUsage:
        """What lies in a slot and how many are logged in."""
        with self._lock:
            sessions = len(self._sessions.get(slot, ()))
        return measure_directory(self.directory(slot), sessions=sessions)

    def collect(self, slot: str, into: Path) -> Collected:
        """Move what a client uploaded out of a slot, durably: plain files with legal names only.

        May be run again after a crash; what was moved before counts.
        """
        source = self.directory(slot)
        make_directories(into)
        refused: list[str] = []
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            why_not = _why_refused(entry)
            if why_not:
                refused.append(f"{entry.name!r} {why_not}")
                continue
            fsync_file(Path(entry.path))
            move_file(Path(entry.path), into / entry.name)
        fsync_directory(into)
        return Collected(tuple(sorted(entry.name for entry in into.iterdir())), tuple(refused))

    def clean(self, slot: str) -> None:
        """Empty a slot; its directory is made when somebody removed it."""
        make_directories(self.directory(slot))
        for entry in self.directory(slot).iterdir():
            remove_tree(entry)

    def forget(self, session: _Session) -> None:
        """A login has ended by itself."""
        with self._lock:
            self._sessions.get(session.slot, set()).discard(session)


class _Session:
    """One login to a slot account."""

    def __init__(self, accounts: EmbeddedAccounts, slot: str, close: Callable[[], None]) -> None:
        self.slot = slot
        self.close = close
        self._accounts = accounts
        self._writing = threading.Lock()
        self._ended = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold this around each change of a file; raises NotAllowed when the slot has closed."""
        with self._writing:
            if self._ended:
                raise NotAllowed(f"{self.slot} has closed")
            yield

    def stop_writing(self) -> None:
        """Wait for the change under way; none may follow."""
        with self._writing:
            self._ended = True

    def end(self) -> None:
        """The login is over."""
        self.stop_writing()
        self._accounts.forget(self)


_KINDS = (
    (S_ISLNK, "is a symbolic link"),
    (S_ISDIR, "is a directory"),
    (S_ISFIFO, "is a pipe"),
    (S_ISCHR, "is a device"),
    (S_ISBLK, "is a device"),
)


def _why_refused(entry: os.DirEntry[str]) -> str:
    status = entry.stat(follow_symlinks=False)
    if not S_ISREG(status.st_mode):
        return next((what for test, what in _KINDS if test(status.st_mode)), "is no plain file")
    if status.st_nlink > 1:
        return "has a second name (hard link)"
    if not is_legal_file(entry.name):
        return "has a name that is not legal"
    return ""
