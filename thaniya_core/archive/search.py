"""Looking for volumes on the disks, wherever they are mounted now."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from thaniya_core.archive.presence import read_volume
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.volume import VolumeDocument

logger = logging.getLogger(__name__)

DEPTH = 2
"""How far below a place volumes are looked for: `/media/alice/DISK` is found below `/media`."""


def find_volumes(places: Iterable[Path], depth: int = DEPTH) -> Iterator[tuple[Path, VolumeDocument]]:
    """The volumes in some directories and below them, each directory once. Links are not followed.

    What may not be looked at is passed over; a damaged volume.json is logged.
    """
    seen: set[tuple[int, int]] = set()
    for place in places:
        yield from _find(place.absolute(), depth, seen)


def _find(directory: Path, depth: int, seen: set[tuple[int, int]]) -> Iterator[tuple[Path, VolumeDocument]]:
    try:
        status = directory.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        document = read_volume(directory)
    except OSError:
        return
    except ThaniyaError as error:
        seen.add((status.st_dev, status.st_ino))
        logger.warning("%s", error)
        return
    if document is not None:
        seen.add((status.st_dev, status.st_ino))
        yield directory, document
    elif depth > 0:  # there is no volume within a volume
        for below in _directories(directory):
            yield from _find(below, depth - 1, seen)


def _directories(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
