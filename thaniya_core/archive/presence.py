"""Whether a directory is the volume that it should be, now and for as long as work on it lasts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaniya_core.errors import IntegrityFailed, NotFound, ThaniyaError
from thaniya_core.formats.volume import (
    VOLUME_FILE,
    VolumeDocument,
    decode_volume,
    incoming_place,
    removing_place,
    testing_place,
)
from thaniya_core.model import Volume
from thaniya_core.system.files import os_errors, read_regular

_DESCRIPTORS = Path("/proc/self/fd")
_LIMIT_BYTES = 64 * 1024


def read_volume(path: Path) -> VolumeDocument | None:
    """The volume.json of a directory; None where there is none.

    Raises:
        IntegrityFailed: it is damaged, or the volume holds a link where it is to hold a directory to be cleaned.
        OSError: it cannot be read.
    """
    file = path / VOLUME_FILE
    try:
        data = read_regular(file, _LIMIT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    document = decode_volume(data, str(file))
    for place in (incoming_place(path), removing_place(path), testing_place(path)):
        if place.is_symlink():  # what it points to would be removed
            raise IntegrityFailed(f"{place} is a link", hint="look where it leads and who made it, then remove it")
    return document


def is_there(volume: Volume) -> bool:
    """Whether the directory of a volume holds that very volume.

    Raises:
        IntegrityFailed, OSError: volume.json is damaged, or cannot be read for another reason than not being there.
    """
    document = read_volume(volume.path)
    return document is not None and document.id == volume.id


@contextmanager
def held(volume: Volume) -> Iterator[Path]:
    """Work on a volume that is there; gives the path to use instead of its own while the block runs.

    That path leads through an open directory and not through its name. While it is open the disk is busy and cannot be
    unmounted; where it is by force (`umount --lazy`), work goes on upon the disk, and nothing is ever written into the
    bare mount point.

    Raises:
        NotFound: its directory does not hold it: a disk that is not mounted.
        IntegrityFailed, NotAllowed, ThaniyaError: volume.json is damaged or cannot be read.
    """
    with os_errors(f"use the volume {volume.label}"):
        try:
            descriptor = os.open(volume.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise not_there(volume) from exc
    try:
        path = _DESCRIPTORS / str(descriptor)
        with _named(path, volume.path):
            with os_errors(f"use the volume {volume.label}"):
                document = read_volume(path)
            if document is None or document.id != volume.id:
                raise not_there(volume)
            yield path
    finally:
        os.close(descriptor)


def not_there(volume: Volume) -> NotFound:
    """The error for a volume whose directory does not hold it."""
    return NotFound(
        f"the volume {volume.label} is not at {volume.path}",
        hint="is its disk mounted? nothing was written; see `thaniya volume list`",
    )


@contextmanager
def _named(path: Path, name: Path) -> Iterator[None]:
    """Have errors of the block name what a person knows instead of a path through a descriptor."""
    through_descriptor = re.compile(rf"{re.escape(str(path))}(?![0-9])")

    def named(text: str) -> str:
        return through_descriptor.sub(lambda _: str(name), text)

    try:
        yield
    except ThaniyaError as error:
        error.message = named(error.message)
        raise
    except OSError as exc:
        if exc.filename is not None:
            exc.filename = named(os.fsdecode(exc.filename))
        raise
