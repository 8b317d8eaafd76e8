"""The files of a slot as a client sees them: a root with one directory, `upload/`, that holds flat files.

It looks like sshd's internal-sftp with a chroot. All work is done relative to the open directory, and a link is never
followed, so that no path leads out of it. Refusals are OSErrors whose text is meant for the client.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaniya_core.errors import IllegalName, NotAllowed
from thaniya_core.formats.names import check_file
from thaniya_core.formats.protocol import UPLOAD_DIRECTORY
from thaniya_core.gate.services import SlotSession

FILE_MODE = 0o640
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

ROOT: tuple[str, ...] = ()
UPLOAD: tuple[str, ...] = (UPLOAD_DIRECTORY,)


class SlotFiles:
    """The one door to the files of a slot. Use as a context manager: it holds the directory open."""

    def __init__(self, directory: Path, session: SlotSession) -> None:
        """Open the slot's upload directory.

        Args:
            directory: the directory.
            session: asked before each change of a file.

        Raises:
            OSError: it is not there or is no directory.
        """
        self._session = session
        self._directory = os.open(directory, _DIRECTORY_FLAGS)

    def __enter__(self) -> SlotFiles:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._directory)

    def open(self, path: bytes, flags: int) -> int:
        """A descriptor of a regular file; of `flags` the access mode and O_CREAT, O_EXCL, O_TRUNC, O_APPEND count.

        New files get the mode 0640, whatever the client asks for.
        """
        name = self._file_name(path)
        wants_write = flags & os.O_ACCMODE != os.O_RDONLY
        if not wants_write:
            return self._open_regular(name, os.O_RDONLY)
        with self._changing():
            # Truncating waits until the file is known to be a regular one.
            descriptor = self._open_regular(name, flags & ~os.O_TRUNC)
            try:
                os.fchmod(descriptor, FILE_MODE)
                if flags & os.O_TRUNC:
                    os.ftruncate(descriptor, 0)
            except OSError:
                os.close(descriptor)
                raise
        return descriptor

    def write(self, descriptor: int, data: memoryview, offset: int) -> None:
        """Write all of the data at a place of the file."""
        with self._changing():
            written = os.pwrite(descriptor, data, offset)
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], offset + written)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cut or extend a file."""
        with self._changing():
            os.ftruncate(descriptor, size_bytes)

    def stat(self, path: bytes) -> os.stat_result:
        """What is at a path; of a link, the link itself."""
        match resolve(path):
            case ():
                return os.fstat(self._directory)
            case (name,) if name == UPLOAD_DIRECTORY:
                return os.fstat(self._directory)
            case (directory, name) if directory == UPLOAD_DIRECTORY:
                return os.stat(name, dir_fd=self._directory, follow_symlinks=False)
            case _:
                raise FileNotFoundError(errno.ENOENT, "there is only the directory upload/")

    def list(self, path: bytes) -> list[tuple[bytes, os.stat_result]]:
        """Names and attributes of what is in a directory."""
        place = resolve(path)
        if place == ROOT:
            return [(UPLOAD_DIRECTORY.encode(), os.fstat(self._directory))]
        if place != UPLOAD:
            raise FileNotFoundError(errno.ENOENT, "no such directory")
        entries = []
        with os.scandir(self._directory) as found:
            for entry in found:
                try:
                    entries.append((os.fsencode(entry.name), entry.stat(follow_symlinks=False)))
                except FileNotFoundError:
                    continue  # it was removed just now
        return sorted(entries)

    def rename(self, old: bytes, new: bytes, *, replace: bool) -> None:
        """Give a file another name; an existing file of that name is replaced only when asked."""
        old_name, new_name = self._file_name(old), self._file_name(new)
        with self._changing():
            self._check_regular(old_name)
            if not replace and self._exists(new_name):
                raise FileExistsError(errno.EEXIST, f"{new_name} exists already")
            os.rename(old_name, new_name, src_dir_fd=self._directory, dst_dir_fd=self._directory)

    def remove(self, path: bytes) -> None:
        """Remove a file."""
        name = self._file_name(path)
        with self._changing():
            self._check_regular(name)
            os.unlink(name, dir_fd=self._directory)

    def space(self) -> os.statvfs_result:
        """The file system below."""
        return os.statvfs(self._directory)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold this around a change of a file; PermissionError tells that the slot has closed."""
        try:
            with self._session.writing():
                yield
        except NotAllowed as exc:
            raise PermissionError(errno.EACCES, exc.message) from exc

    def _file_name(self, path: bytes) -> str:
        """The legal file name that a path stands for."""
        place = resolve(path)
        if len(place) != 2 or place[0] != UPLOAD_DIRECTORY:
            raise PermissionError(errno.EACCES, "files go into upload/ and nowhere else")
        try:
            return check_file(place[1])
        except IllegalName as exc:
            raise PermissionError(errno.EACCES, str(exc)) from exc

    def _open_regular(self, name: str, flags: int) -> int:
        try:
            descriptor = os.open(name, flags | _FILE_FLAGS, FILE_MODE, dir_fd=self._directory)
        except OSError as exc:
            # A link, a directory, or a pipe or socket that nobody reads.
            if exc.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise _not_regular(name) from exc
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _not_regular(name)
        return descriptor

    def _check_regular(self, name: str) -> None:
        if not stat.S_ISREG(os.stat(name, dir_fd=self._directory, follow_symlinks=False).st_mode):
            raise _not_regular(name)

    def _exists(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True


def resolve(path: bytes) -> tuple[str, ...]:
    """The names on the way from the root to a path; the root is also where relative paths begin."""
    place: list[str] = []
    for part in os.fsdecode(path).split("/"):
        if part == "..":
            del place[-1:]
        elif part not in ("", "."):
            place.append(part)
    return tuple(place)


def explain(exc: OSError) -> str:
    """Why something was refused, for the client."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on the server's disk"
    return exc.strerror or "failed"


def _not_regular(name: str) -> PermissionError:
    return PermissionError(errno.EACCES, f"{name} is not a regular file")
