"""Making the catalog anew: its entries become those of the backups that lie on the volumes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.archive.inventory import find_series, read_series
from thaniya_core.archive.notes import read_notes
from thaniya_core.archive.volumes import Volumes
from thaniya_core.errors import IllegalName, StateUnreadable, ThaniyaError
from thaniya_core.formats.names import Series, parse_series
from thaniya_core.formats.notes import Notes
from thaniya_core.formats.volume import backup_directory
from thaniya_core.model import Backup, Volume
from thaniya_core.store import Store


class RebuildReport(Struct, frozen=True):
    """What a rebuild did."""

    found: int
    """Backups on the volumes that are there."""
    added: int
    """Of these, new to the catalog."""
    removed: int
    """Entries whose backup is on none of these volumes any more."""
    unreadable: tuple[str, ...]
    """What does not count: directories that look like a backup and are none, each with the reason; copies."""
    missing_volumes: tuple[str, ...]
    """Volumes that are not there; their entries stay as they are."""


class Rebuild:
    """Makes the catalog anew."""

    def __init__(self, store: Store, volumes: Volumes, is_there: Callable[[Backup], bool]) -> None:
        """
        Args:
            store, volumes: what they say.
            is_there: whether a backup's directory is on its volume, and the volume is there.
        """
        self._store = store
        self._volumes = volumes
        self._is_there = is_there

    def run(self) -> RebuildReport:
        """Make the catalog anew from the volumes that are there, series by series."""
        present = self._volumes.present()
        present_ids = {volume.id for volume in present}
        unreadable: list[str] = []
        places: defaultdict[str, list[tuple[Volume, Path]]] = defaultdict(list)
        for volume in present:
            for directory in find_series(volume, unreadable):
                places["/".join(directory.parts[-3:])].append((volume, directory))
        found = added = removed = 0
        for name in sorted({*places, *map(str, self._store.catalog_series())}):
            on_disk = self._gather(places.get(name, ()), unreadable)
            try:
                series = parse_series(name)
            except IllegalName:
                continue  # what lies there is no backup, and was told
            try:
                changes = self._bring_up_to_date(series, on_disk, present_ids)
            except StateUnreadable:
                self._store.replace_catalog(series, on_disk.values())
                changes = len(on_disk), 0
            found += len(on_disk)
            added += changes[0]
            removed += changes[1]
        return RebuildReport(
            found=found,
            added=added,
            removed=removed,
            unreadable=tuple(unreadable),
            missing_volumes=tuple(volume.label for volume in self._volumes.all() if volume.id not in present_ids),
        )

    def _gather(self, places: Iterable[tuple[Volume, Path]], unreadable: list[str]) -> dict[str, Backup]:
        """A series' backups on all volumes; of one that lies on two, the one that the catalog knows."""
        on_disk: dict[str, Backup] = {}
        for volume, directory in places:
            for backup in read_series(volume, directory, unreadable):
                other = on_disk.get(backup.id)
                if other is not None:
                    if self._known_volume(backup) != backup.volume:
                        backup, other = other, backup
                    unreadable.append(
                        f"{backup.series}/{backup.id} lies on the volume {other.volume} too, where it does not count"
                    )
                on_disk[backup.id] = backup
        return on_disk

    def _known_volume(self, backup: Backup) -> str:
        try:
            known = self._store.find_backups(backup.id, backup.series.user)
            return next((found.volume for found in known if found.id == backup.id), "")
        except StateUnreadable:
            return ""

    def _bring_up_to_date(
        self, series: Series, on_disk: dict[str, Backup], present_volumes: set[str]
    ) -> tuple[int, int]:
        """Make a series' entries those of the volumes that are there; gives how many were added and removed."""
        added = removed = 0
        with self._store.catalog_transaction(series) as table:
            known = {backup.id: backup for backup in table.all()}
            for backup_id, backup in on_disk.items():
                if backup_id not in known and not self._is_there(backup):
                    continue  # it was removed since the volume was read
                added += backup_id not in known
                old = known.get(backup_id, backup)
                # What people said of it since the volume was read was written under this lock: it is read once more.
                notes = backup.notes if old.notes == backup.notes else self._current_notes(backup)
                table.put(replace(backup, notes=notes, broken=old.broken, verified_at=old.verified_at))
            for backup_id, backup in known.items():
                # One that was archived or removed meanwhile is looked for once more.
                if backup_id not in on_disk and backup.volume in present_volumes and self._is_gone(backup):
                    removed += table.remove(backup_id)
        return added, removed

    def _current_notes(self, backup: Backup) -> Notes:
        try:
            root = self._volumes.present_root(backup.volume)
            return read_notes(backup_directory(root, backup.series, backup.id))
        except (ThaniyaError, OSError):
            return backup.notes  # it has vanished meanwhile, or they were told as unreadable

    def _is_gone(self, backup: Backup) -> bool:
        """Whether a backup is no more; not when its volume has vanished meanwhile."""
        try:
            root = self._volumes.present_root(backup.volume)
        except ThaniyaError:
            return False
        return not backup_directory(root, backup.series, backup.id).is_dir()
