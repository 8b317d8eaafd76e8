"""Volumes that are mounted elsewhere now: which of the known ones have moved, and which are not known yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_core.archive.search import find_volumes
from thaniya_core.formats.volume import VolumeDocument
from thaniya_core.model import Volume

TakeUp = Callable[[VolumeDocument, Path, str], Volume]
"""Has a volume known at a place from now on; told as which action, `volume.add` or `volume.move`."""


class Rescanned(Struct, frozen=True):
    """What looking for volumes found."""

    moved: tuple[Volume, ...] = ()
    """Known ones that were elsewhere; each with its new path."""
    added: tuple[Volume, ...] = ()
    """Taken up: they were not known here."""
    unknown: tuple[Volume, ...] = ()
    """Not known here, and not taken up."""
    missing: tuple[Volume, ...] = ()
    """Known, and found nowhere."""
    copies: tuple[str, ...] = ()
    """Volumes that are in more than one place, each with all of them: it is not known which is the one."""

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is to tell people: what became of a volume, and which; empty when all are where they were."""
        return [
            *(("moved", f"{volume.label}, now at {volume.path}") for volume in self.moved),
            *(("added", f"{volume.label}, at {volume.path}") for volume in self.added),
            *(
                ("not known here", f"{volume.label}, at {volume.path}: thaniya volume add {volume.path}")
                for volume in self.unknown
            ),
            *(("NOT FOUND", f"{volume.label}, which was at {volume.path}") for volume in self.missing),
            *(("IN TWO PLACES", copies) for copies in self.copies),
        ]


def rescan(volumes: Sequence[Volume], places: Sequence[Path], take_up: TakeUp, *, add: bool = False) -> Rescanned:
    """Look for volumes, and take up those that have moved.

    Besides the places, with what lies up to two levels below, it looks beside where the known volumes were.

    Args:
        volumes: the known ones.
        places: where to look.
        take_up: called with each that has moved.
        add: take up those that are not known here too.
    """
    known = {volume.id: volume for volume in volumes}
    moved: list[Volume] = []
    added: list[Volume] = []
    unknown: list[Volume] = []
    copies: list[str] = []
    found = _find_places(volumes, places)
    for volume_id, (document, paths) in found.items():
        volume = known.get(volume_id)
        if volume is not None and volume.path in paths:
            continue  # it is where it should be, copies or not
        if len(paths) > 1:
            copies.append(f"{document.label}: {', '.join(map(str, paths))}")
        elif volume is not None:
            moved.append(take_up(document, paths[0], "volume.move"))
        elif add:
            added.append(take_up(document, paths[0], "volume.add"))
        else:
            unknown.append(Volume(document.id, document.label, paths[0]))
    missing = tuple(volume for volume in volumes if volume.id not in found)
    return Rescanned(tuple(moved), tuple(added), tuple(unknown), missing, tuple(copies))


def _find_places(volumes: Sequence[Volume], places: Sequence[Path]) -> dict[str, tuple[VolumeDocument, list[Path]]]:
    """By id: the volumes that are found, each with all the directories that hold it."""
    found: dict[str, tuple[VolumeDocument, list[Path]]] = {}
    where = [*(volume.path for volume in volumes), *places]
    beside = dict.fromkeys(volume.path.parent for volume in volumes)
    for path, document in (*find_volumes(where), *find_volumes(beside, depth=1)):
        paths = found.setdefault(document.id, (document, []))[1]
        if not any(path.samefile(other) for other in paths):
            paths.append(path)
    return found
