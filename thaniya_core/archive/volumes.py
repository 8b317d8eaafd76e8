"""Volumes: add, find, choose, and clean what a crash left half done."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from msgspec.structs import replace

from thaniya_core.archive.choice import DOCUMENTS_BYTES, Room, choose_room
from thaniya_core.archive.presence import held, is_there, not_there, read_volume
from thaniya_core.archive.rescan import Rescanned, rescan
from thaniya_core.archive.scratch import clean_scratch
from thaniya_core.config import Paths
from thaniya_core.errors import AlreadyExists, NotFound, ThaniyaError, WrongState
from thaniya_core.formats.names import make_id
from thaniya_core.formats.volume import (
    VOLUME_FILE,
    VolumeDocument,
    archive_directory,
    encode_volume,
    incoming_place,
    removing_place,
    testing_place,
)
from thaniya_core.model import Event, Volume
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.files import (
    make_directories,
    on_same_file_system,
    os_errors,
    remove_tree,
    require_directory,
    write_atomic,
)
from thaniya_core.system.space import free_bytes

logger = logging.getLogger(__name__)


class Volumes:
    """The volumes of a server."""

    def __init__(self, store: Store, clock: Clock, paths: Paths | None = None) -> None:
        """
        Args:
            store, clock: what they say.
            paths: where the server works itself: no place for a volume.
        """
        self._store = store
        self._clock = clock
        self._paths = paths

    def all(self) -> list[Volume]:
        """All volumes, present or not."""
        return self._store.read().volumes.all()

    def get(self, name: str) -> Volume:
        """A volume by its label, its id or its path.

        Raises:
            NotFound: there is none, or several bear the label.
        """
        known = self.all()
        found = [each for each in known if name == each.id] or [
            each for each in known if name == each.label or Path(name).absolute() == each.path
        ]
        if len(found) > 1:
            raise NotFound(f"{len(found)} volumes are called {name}", hint="give its path or its id instead")
        if not found:
            raise NotFound(f"there is no volume {name}", hint="see `thaniya volume list`")
        return found[0]

    def add(self, path: Path, label: str, actor: str, *, must_exist: bool = False) -> Volume:
        """Make a directory a volume, or take up one that already is: also one that was known elsewhere before.

        Args:
            path: the directory.
            label: what people call it; one that is a volume already keeps its label.
            actor: who does this, for the audit log.
            must_exist: refuse to make the directory: where a disk is not mounted it would come to lie below it. What is
                above it is never made.

        Raises:
            AlreadyExists: it is a volume of this server already.
            NotFound: it is where a volume should be that is not there, or it, or what is above it, is missing.
            WrongState: it is a copy of a volume that is elsewhere, or lies within a volume or where the server works.
            ThaniyaError: it cannot be written.
        """
        path = path.absolute()
        doing = f"make the volume {path}"
        with os_errors(doing):
            document = read_volume(path)
            self._check_place(path, document)
            require_directory(path if must_exist else path.parent, doing)
            make_directories(archive_directory(path))
            if document is None:
                document = VolumeDocument(make_id(self._clock.now()), label)
                write_atomic(path / VOLUME_FILE, encode_volume(document))
        return self._take_up(document, path, "volume.add", actor)

    def _check_place(self, path: Path, document: VolumeDocument | None) -> None:
        if self._paths is not None:
            _check_is_free(path.resolve(), self._paths)
        for known in self.all():
            is_same = document is not None and document.id == known.id
            if known.path == path and not is_same:
                # Most likely the mount point of a disk that is not mounted: nothing may be written into it.
                raise NotFound(
                    f"{path} is the place of the volume {known.label}, and another one or none is there",
                    hint="mount its disk; or look where it is now: thaniya volume rescan DIRECTORY; or forget it: "
                    f"thaniya volume remove {known.id}",
                )
            if known.path in path.parents:
                raise WrongState(f"{path} lies within the volume {known.label} at {known.path}")
            if is_same and known.path != path and is_there(known) and not known.path.samefile(path):
                raise WrongState(
                    f"the volume {known.label} is at {known.path} and, as a copy, at {path}",
                    hint="a copy can take the place of the volume, but not stand beside it: unmount one of them",
                )

    def _take_up(self, document: VolumeDocument, path: Path, action: str, actor: str) -> Volume:
        with self._store.transaction() as state:
            known = state.volumes.get(document.id)
            if known is not None and known.path == path:
                raise AlreadyExists(f"{path} is the volume {known.label} already")
            volume = replace(known, path=path) if known else Volume(document.id, document.label, path)
            state.volumes.put(volume)
        self._log(actor, action, volume, str(path))
        return volume

    def set_active(self, volume: Volume, active: bool, actor: str) -> Volume:
        """Have a volume take new backups, or no more; what lies on it stays as it is.

        Raises:
            NotFound: it was removed.
        """
        with self._store.transaction() as state:
            current = state.volumes.get(volume.id)
            if current is None:
                raise NotFound(f"there is no volume {volume.label} any more")
            changed = replace(current, active=active)
            state.volumes.put(changed)
        self._log(actor, "volume.activate" if active else "volume.deactivate", changed)
        return changed

    def rescan(self, places: Sequence[Path], actor: str, *, add: bool = False) -> Rescanned:
        """Look for volumes that are mounted elsewhere now; see `rescan.rescan`.

        Args:
            places: where to look, besides where the known volumes were.
            actor: who does this, for the audit log.
            add: take up those that are not known here.
        """

        def take_up(document: VolumeDocument, path: Path, action: str) -> Volume:
            return self._take_up(document, path, action, actor)

        return rescan(self.all(), places, take_up, add=add)

    def hold(self, volume_id: str) -> AbstractContextManager[Path]:
        """Work on a volume; see `presence.held`.

        Raises:
            NotFound: there is no such volume.
        """
        return held(self._known(volume_id))

    @contextmanager
    def hold_present(self) -> Iterator[dict[str, Path]]:
        """Work on all volumes that are there; gives the path to use of each, by id. See `presence.held`."""
        with ExitStack() as stack:
            roots: dict[str, Path] = {}
            for volume in self.present():
                try:
                    roots[volume.id] = stack.enter_context(held(volume))
                except NotFound:
                    continue  # it vanished in this moment
            yield roots

    def present_root(self, volume_id: str) -> Path:
        """The directory of a volume that is there now. To write on it, `hold` it.

        Raises:
            NotFound: unknown, or its directory does not hold its volume.json: a disk that is not mounted.
            IntegrityFailed, NotAllowed, ThaniyaError: volume.json is damaged or cannot be read.
        """
        volume = self._known(volume_id)
        with os_errors(f"use the volume {volume.label}"):
            if not is_there(volume):
                raise not_there(volume)
        return volume.path

    def _known(self, volume_id: str) -> Volume:
        volume = self._store.read().volumes.get(volume_id)
        if volume is None:
            raise NotFound(f"there is no volume {volume_id}", hint="`thaniya volume add PATH` takes it up again")
        return volume

    def is_present(self, volume: Volume) -> bool:
        """Whether a volume is there; see `presence.is_there`."""
        return is_there(volume)

    def present(self) -> list[Volume]:
        """The volumes that are there now; one that cannot be read is logged and left out."""
        found: list[Volume] = []
        for volume in self.all():
            try:
                if is_there(volume):
                    found.append(volume)
            except (OSError, ThaniyaError) as error:
                logger.error("the volume %s cannot be used: %s", volume.label, error)
        return found

    def _ready(self) -> list[Volume]:
        return [volume for volume in self.present() if volume.active]

    def most_free_bytes(self) -> int | None:
        """What the emptiest active volume has free; None when none is there.

        Whatever fits there finds a place: `choose` goes to another one only where it fits too.
        """
        return max((free_bytes(volume.path) for volume in self._ready()), default=None)

    def all_beside(self, directory: Path) -> bool:
        """Whether every volume that new backups may go to lies on the file system of a directory."""
        return all(on_same_file_system(volume.path, directory) for volume in self._ready())

    def choose(self, size_bytes: int = 0, source: Path | None = None, preferred: str = "") -> Volume:
        """The volume for a new backup; see `choice.choose_room`.

        Args:
            size_bytes: how large it will be at most.
            source: where its files lie now; on the same file system they are not copied. None: elsewhere.
            preferred: the id of the volume that has the series' newest backup; empty for none.

        Raises:
            NotFound: no active volume is there.
        """
        with os_errors("choose a volume"):
            rooms = [
                Room(volume, free_bytes(volume.path), DOCUMENTS_BYTES + _copied_bytes(volume, size_bytes, source))
                for volume in self._ready()
            ]
        return choose_room(rooms, preferred).volume

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

    def _log(self, actor: str, action: str, volume: Volume, detail: str = "") -> None:
        self._store.add_event(Event(self._clock.now(), actor, action, volume.label, detail=detail))


def _copied_bytes(volume: Volume, size_bytes: int, source: Path | None) -> int:
    return 0 if source is not None and on_same_file_system(volume.path, source) else size_bytes


def _check_is_free(path: Path, paths: Paths) -> None:
    """Spool and slots are emptied by the server; the state is its own, but a directory in it may be a volume."""
    for name, place in (("spool", paths.spool.resolve()), ("slots", paths.slots.resolve())):
        if path.is_relative_to(place):
            raise WrongState(f"{path} lies within the {name} directory of the server", hint="choose another directory")
    if path == paths.state.resolve():
        raise WrongState(f"{path} is the state directory of the server", hint="choose another directory, or one in it")
