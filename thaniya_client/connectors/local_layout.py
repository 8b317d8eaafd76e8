"""A directory that keeps backups, in the layout of a server's volume, and the lock that its clients share."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from thaniya_core.errors import NoSpace, NotFound
from thaniya_core.formats.names import Series, make_id
from thaniya_core.formats.quantities import format_size
from thaniya_core.formats.volume import (
    VOLUME_FILE,
    VolumeDocument,
    archive_directory,
    backup_directory,
    decode_volume,
    encode_volume,
    incoming_directory,
    incoming_place,
)
from thaniya_core.system.clock import SystemClock
from thaniya_core.system.files import make_directories, os_errors, remove_tree, write_atomic
from thaniya_core.system.locks import locked
from thaniya_core.system.space import free_bytes

_MARGIN_BYTES = 16 * 1024 * 1024


class LocalLayout:
    """The paths below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self, expected_bytes: int | None) -> None:
        """Make what is missing, and remove what killed clients left half done.

        Raises:
            NotFound: the directory itself is not there; it is not made, because it may be a mount point.
            IntegrityFailed: its volume.json is damaged or of a later format.
            NoSpace: there is not room for what is expected.
        """
        self._check_root()
        with os_errors(f"prepare {self._root} for backups"):
            make_directories(archive_directory(self._root))
            make_directories(incoming_place(self._root))
            with locked(self._lock_file):
                self._describe()
                self._clean()
            free = free_bytes(self._root)
        if expected_bytes is not None and free < expected_bytes + _MARGIN_BYTES:
            raise NoSpace(
                f"{self._root} has {format_size(free)} free; up to {format_size(expected_bytes)} are expected",
                hint="free space on that disk, or exclude something",
            )

    def identity(self) -> str:
        """The id of the volume, which was prepared."""
        file = self._root / VOLUME_FILE
        with os_errors(f"read {file}"):
            return decode_volume(file.read_bytes(), str(file)).id

    def make_incoming(self) -> tuple[str, int]:
        """A new id, its directory to write into, and the descriptor that holds the directory's lock."""
        with os_errors(f"begin a backup in {self._root}"), locked(self._lock_file):
            backup_id = make_id(SystemClock().now())
            directory = self.incoming(backup_id)
            directory.mkdir(mode=0o750)
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return backup_id, descriptor

    def incoming(self, backup_id: str) -> Path:
        """Where a backup is written."""
        return incoming_directory(self._root, backup_id)

    def backup(self, series: Series, backup_id: str) -> Path:
        """Where a backup lies for good."""
        return backup_directory(self._root, series, backup_id)

    def backups(self, user: str, host: str = "", name: str = "") -> Iterator[Path]:
        """The directories of a user's backups, the newest first; an empty host or name stands for all.

        Raises:
            NotFound: the directory itself is not there: a disk that is not mounted is not a disk without backups.
        """
        self._check_root()
        found = self._archive.glob(f"{user}/{host or '*'}/{name or '*'}/*")
        yield from sorted((path for path in found if path.is_dir()), key=lambda path: path.name, reverse=True)

    def _check_root(self) -> None:
        if not self._root.is_dir():
            raise NotFound(f"{self._root} is not there", hint="mount the disk, or make the directory")

    def find(self, user: str, backup_id: str) -> Path:
        """The directory of a backup.

        Raises:
            NotFound: the user has no such backup.
        """
        found = next(self._archive.glob(f"{user}/*/*/{backup_id}"), None)
        if found is None:
            raise NotFound(f"{self._root} has no backup {backup_id} of {user}", hint="thaniya-client list")
        return found

    @property
    def _archive(self) -> Path:
        return archive_directory(self._root)

    @property
    def _lock_file(self) -> Path:
        return incoming_place(self._root) / ".lock"

    def _describe(self) -> None:
        """Write volume.json, or make sure that this version understands the one that is there."""
        file = self._root / VOLUME_FILE
        if file.exists():
            decode_volume(file.read_bytes(), str(file))
        else:
            write_atomic(file, encode_volume(VolumeDocument(make_id(SystemClock().now()), self._root.name)))

    def _clean(self) -> None:
        for directory in incoming_place(self._root).iterdir():
            if not directory.is_dir():
                continue
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(directory)
            except BlockingIOError:
                continue  # another client is writing it
            finally:
                os.close(descriptor)
