"""What lies on a volume: its series and their backups, read from the directories alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from thaniya_core.archive.notes import read_notes
from thaniya_core.errors import IntegrityFailed, ThaniyaError
from thaniya_core.formats.manifest import decode_document
from thaniya_core.formats.names import BACKUP_FILE, check_id, parse_series
from thaniya_core.formats.notes import Notes
from thaniya_core.formats.volume import archive_directory, backup_directory
from thaniya_core.model import Backup, Volume
from thaniya_core.system.files import read_regular


def find_series(volume: Volume, unreadable: list[str]) -> list[Path]:
    """The directories of the series on a volume, in order; one that cannot be read is added to `unreadable`."""
    found = [archive_directory(volume.path)]
    for _ in range(3):  # user, host, name
        found = [below for directory in found for below in _list_directories(directory, unreadable)]
    return found


def read_series(volume: Volume, series_place: Path, unreadable: list[str]) -> Iterator[Backup]:
    """Every backup of a series on a volume; what cannot be read is added to `unreadable`."""
    for directory in _list_directories(series_place, unreadable):
        try:
            backup = _read_backup(volume, directory)
        except (ThaniyaError, OSError) as error:
            unreadable.append(f"{directory}: {error}")
            continue
        try:
            yield replace(backup, notes=read_notes(directory))
        except (ThaniyaError, OSError) as error:
            # It may have been pinned: better kept too long than not long enough.
            unreadable.append(f"{error}; {backup.id} counts as pinned until it is pinned or unpinned anew")
            yield replace(backup, notes=Notes(pinned=True))


def _read_backup(volume: Volume, directory: Path) -> Backup:
    check_id(directory.name)
    file = directory / BACKUP_FILE
    document = decode_document(read_regular(file), str(file))
    parse_series(str(document.series))
    if directory != backup_directory(volume.path, document.series, document.id):
        raise IntegrityFailed(f"backup.json says it is {document.series}/{document.id}")
    return Backup(document, volume.id)


def _list_directories(directory: Path, unreadable: list[str]) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []  # it was removed since its parent was read
    except OSError as exc:
        unreadable.append(f"{directory}: {exc.strerror}")
        return []
