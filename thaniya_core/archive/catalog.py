"""The catalog: which backups there are. It is an index; the volumes are the truth, and it can be rebuilt from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.archive.notes import read_notes
from thaniya_core.archive.volumes import Volumes
from thaniya_core.errors import IntegrityFailed, NotFound, StateUnreadable, ThaniyaError
from thaniya_core.formats.manifest import decode_document
from thaniya_core.formats.names import BACKUP_FILE, Series, check_id, parse_series
from thaniya_core.formats.notes import Notes
from thaniya_core.formats.volume import archive_directory, backup_directory
from thaniya_core.model import Backup, Volume
from thaniya_core.store import Store
from thaniya_core.system.files import os_errors


class RebuildReport(Struct, frozen=True):
    """What a rebuild did."""

    found: int
    """Backups on the volumes that are there."""
    added: int
    """Of these, new to the catalog."""
    removed: int
    """Entries whose backup is on none of these volumes any more."""
    unreadable: tuple[str, ...]
    """Directories that look like a backup and are none, each with the reason."""
    missing_volumes: tuple[str, ...]
    """Volumes that are not there; their entries stay as they are."""


class Catalog:
    """Looks backups up, and keeps the index."""

    def __init__(self, store: Store, volumes: Volumes) -> None:
        self._store = store
        self._volumes = volumes

    def find(self, user: str = "", host: str = "", name: str = "") -> list[Backup]:
        """Backups of all series that fit, the newest first; an empty word fits all."""
        found = [
            backup
            for series in self._store.catalog_series()
            if (not user or series.user == user)
            and (not host or series.host == host)
            and (not name or series.name == name)
            for backup in self._store.read_catalog(series)
        ]
        return sorted(found, key=lambda backup: (backup.document.created_at, backup.id), reverse=True)

    def of_series(self, series: Series) -> list[Backup]:
        """The backups of one series, the newest first."""
        return self._store.read_catalog(series)[::-1]

    def get(self, backup_id: str, user: str = "") -> Backup:
        """A backup by its id, or by the beginning of it where only one begins so.

        Args:
            backup_id: the id, or its beginning.
            user: look among this user's only; empty for all.

        Raises:
            NotFound: there is none, or several begin so.
        """
        matching = [backup for backup in self.find(user) if backup.id.startswith(backup_id)] if backup_id else []
        if len(matching) > 1:
            raise NotFound(f"{len(matching)} backups begin with {backup_id!r}", hint="give more of the id")
        if not matching:
            raise NotFound(f"there is no backup {backup_id!r}", hint="see the list of backups")
        return matching[0]

    def user_bytes(self, user: str) -> int:
        """What a user's backups take on the volumes."""
        return sum(backup.document.stored_bytes for backup in self.find(user))

    def directory(self, backup: Backup) -> Path:
        """Where a backup lies.

        Raises:
            NotFound: its volume is not there, or the directory is not on it.
        """
        directory = backup_directory(self._volumes.present_root(backup.volume), backup.series, backup.id)
        if not directory.is_dir():
            raise NotFound(f"the backup {backup.id} is not at {directory}", hint="run `thaniya catalog rebuild`")
        return directory

    def add(self, backup: Backup) -> None:
        """Enter a backup; one that is known already on its volume keeps what verification found and people said."""
        with self._store.catalog_transaction(backup.series) as table:
            known = table.get(backup.id)
            if known is None or known.volume != backup.volume:
                table.put(backup)

    def note_verified(self, backup: Backup, broken: str, at: datetime) -> Backup:
        """Keep what reading a backup again has found, beside what people said of it meanwhile."""
        with self._store.catalog_transaction(backup.series) as table:
            current = table.get(backup.id)
            if current is not None:
                table.put(replace(current, broken=broken, verified_at=at))
        return replace(current or backup, broken=broken, verified_at=at)

    def remove(self, backup: Backup) -> None:
        """Forget a backup."""
        with self._store.catalog_transaction(backup.series) as table:
            table.remove(backup.id)

    def forget(self, backup_ids: Collection[str]) -> None:
        """Forget backups whose removal was interrupted after they had left their place."""
        if backup_ids:
            for backup in self.find():
                if backup.id in backup_ids and not self.is_there(backup):
                    self.remove(backup)

    def rebuild(self) -> RebuildReport:
        """Make the catalog anew from the volumes that are there."""
        present = self._volumes.present()
        present_ids = {volume.id for volume in present}
        unreadable: list[str] = []
        on_disk: defaultdict[Series, dict[str, Backup]] = defaultdict(dict)
        for volume in present:
            for backup in _scan(volume, unreadable):
                on_disk[backup.series][backup.id] = backup
        added = removed = 0
        for series in sorted({*on_disk, *self._store.catalog_series()}):
            try:
                changes = self._bring_up_to_date(series, on_disk[series], present_ids)
            except StateUnreadable:
                self._store.replace_catalog(series, on_disk[series].values())
                changes = len(on_disk[series]), 0
            added += changes[0]
            removed += changes[1]
        return RebuildReport(
            found=sum(len(backups) for backups in on_disk.values()),
            added=added,
            removed=removed,
            unreadable=tuple(unreadable),
            missing_volumes=tuple(volume.label for volume in self._volumes.all() if volume.id not in present_ids),
        )

    def _bring_up_to_date(
        self, series: Series, on_disk: dict[str, Backup], present_volumes: set[str]
    ) -> tuple[int, int]:
        """Make a series' entries those of the volumes that are there; gives how many were added and removed."""
        added = removed = 0
        with self._store.catalog_transaction(series) as table:
            known = {backup.id: backup for backup in table.all()}
            for backup_id, backup in on_disk.items():
                if backup_id not in known and not self.is_there(backup):
                    continue  # it was removed since the volume was read
                added += backup_id not in known
                old = known.get(backup_id, backup)
                table.put(replace(backup, broken=old.broken, verified_at=old.verified_at))
            for backup_id, backup in known.items():
                # One that was archived or removed meanwhile is looked for once more.
                if backup_id not in on_disk and backup.volume in present_volumes and not self.is_there(backup):
                    removed += table.remove(backup_id)
        return added, removed

    def is_there(self, backup: Backup) -> bool:
        """Whether a backup's directory is on its volume, and the volume is there."""
        try:
            return self.directory(backup).is_dir()
        except NotFound:
            return False


def _scan(volume: Volume, unreadable: list[str]) -> Iterator[Backup]:
    """Every backup on a volume; what cannot be read is added to `unreadable`."""
    root = archive_directory(volume.path)
    with os_errors(f"read the volume {volume.label}"):
        directories = sorted(root.glob("*/*/*/*/"))
    for directory in directories:
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
    document = decode_document(file.read_bytes(), str(file))
    parse_series(str(document.series))
    if directory != backup_directory(volume.path, document.series, document.id):
        raise IntegrityFailed(f"backup.json says it is {document.series}/{document.id}")
    return Backup(document, volume.id)
