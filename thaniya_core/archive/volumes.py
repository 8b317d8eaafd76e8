"""Volumes: add, find, choose, and clean what a crash left half done."""

from __future__ import annotations

import logging
from pathlib import Path

from thaniya_core.archive.scratch import clean_scratch
from thaniya_core.errors import AlreadyExists, NotFound, ThaniyaError
from thaniya_core.formats.names import make_id
from thaniya_core.formats.volume import (
    VOLUME_FILE,
    VolumeDocument,
    archive_directory,
    decode_volume,
    encode_volume,
    incoming_place,
    removing_place,
    testing_place,
)
from thaniya_core.model import Event, Volume
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.files import (
    free_bytes,
    make_directories,
    on_same_file_system,
    os_errors,
    remove_tree,
    write_atomic,
)

logger = logging.getLogger(__name__)


class Volumes:
    """The volumes of a server."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def all(self) -> list[Volume]:
        """All volumes, present or not."""
        return self._store.read().volumes.all()

    def add(self, path: Path, label: str, actor: str) -> Volume:
        """Make a directory a volume, or take up one that already is.

        Raises:
            AlreadyExists: it is a volume of this server already.
            ThaniyaError: it cannot be written.
        """
        path = path.absolute()
        with os_errors(f"make the volume {path}"):
            make_directories(archive_directory(path))
            document = self._read_document(path)
            if document is None:
                document = VolumeDocument(make_id(self._clock.now()), label)
                write_atomic(path / VOLUME_FILE, encode_volume(document))
        volume = Volume(document.id, document.label, path)
        with self._store.transaction() as state:
            known = state.volumes.get(volume.id)
            if known is not None and known.path == path:
                raise AlreadyExists(f"{path} is the volume {known.label} already")
            state.volumes.put(volume)
        self._store.add_event(Event(self._clock.now(), actor, "volume.add", volume.label, detail=str(path)))
        return volume

    def present_root(self, volume_id: str) -> Path:
        """The directory of a volume that is there now.

        Raises:
            NotFound: unknown, or its directory does not hold its volume.json: a disk that is not mounted.
            IntegrityFailed, NotAllowed, ThaniyaError: volume.json is damaged or cannot be read.
        """
        volume = self._store.read().volumes.get(volume_id)
        if volume is None:
            raise NotFound(f"there is no volume {volume_id}")
        with os_errors(f"use the volume {volume.label}"):
            is_present = self.is_present(volume)
        if not is_present:
            raise NotFound(
                f"the volume {volume.label} is not at {volume.path}", hint="is its disk mounted? nothing was written"
            )
        return volume.path

    def is_present(self, volume: Volume) -> bool:
        """Whether the directory of a volume holds that very volume.

        Raises:
            IntegrityFailed, OSError: volume.json is damaged, or cannot be read for another reason than not being there.
        """
        document = self._read_document(volume.path)
        return document is not None and document.id == volume.id

    def present(self) -> list[Volume]:
        """The volumes that are there now; one that cannot be read is logged and left out."""
        found: list[Volume] = []
        for volume in self.all():
            try:
                if self.is_present(volume):
                    found.append(volume)
            except (OSError, ThaniyaError) as error:
                logger.error("the volume %s cannot be used: %s", volume.label, error)
        return found

    def most_free_bytes(self) -> int | None:
        """What the emptiest active volume has free; None when none is there."""
        free = [free_bytes(volume.path) for volume in self.present() if volume.active]
        return max(free) if free else None

    def all_beside(self, directory: Path) -> bool:
        """Whether every volume that is there lies on the file system of a directory."""
        return all(on_same_file_system(volume.path, directory) for volume in self.present())

    def choose(self) -> Volume:
        """The active volume with the most free space.

        Raises:
            NotFound: no active volume is there.
        """
        with os_errors("choose a volume"):
            active = [(free_bytes(volume.path), volume) for volume in self.present() if volume.active]
        if not active:
            raise NotFound("no active volume is there", hint="is the disk mounted?")
        return max(active, key=lambda pair: pair[0])[1]

    def being_removed(self) -> set[str]:
        """The backups whose removal was interrupted."""
        places = [removing_place(volume.path) for volume in self.present()]
        return {leftover.name for place in places if place.is_dir() for leftover in place.iterdir()}

    def clean_leftovers(self) -> None:
        """Remove what interrupted work left beside the archive; only while no job runs."""
        for volume in self.present():
            clean_scratch(testing_place(volume.path))
            for place in (incoming_place(volume.path), removing_place(volume.path)):
                if place.is_dir():
                    for leftover in place.iterdir():
                        remove_tree(leftover)

    def _read_document(self, path: Path) -> VolumeDocument | None:
        file = path / VOLUME_FILE
        try:
            data = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return decode_volume(data, str(file))
