"""The catalog: which backups there are. It is an index; the volumes are the truth, and it can be rebuilt from them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.archive.rebuild import Rebuild, RebuildReport
from thaniya_core.archive.volumes import Volumes
from thaniya_core.errors import NotFound
from thaniya_core.formats.chains import read_chain
from thaniya_core.formats.manifest import BackupDocument
from thaniya_core.formats.names import Series
from thaniya_core.formats.volume import backup_directory
from thaniya_core.model import Backup, Volume, mark_broken_chains
from thaniya_core.store import Store

_HELD_BACKUPS = 20_000
"""How many `each` has in memory at a time."""


class VolumeUsage(Struct, frozen=True):
    """What the catalog knows to be on a volume."""

    backups: int = 0
    stored_bytes: int = 0


class Catalog:
    """Looks backups up, and keeps the index."""

    def __init__(self, store: Store, volumes: Volumes) -> None:
        self._store = store
        self._volumes = volumes

    def find(self, user: str = "", host: str = "", name: str = "") -> list[Backup]:
        """Backups of all series that fit, the newest first; an empty word fits all."""
        return list(self.each(user, host, name))

    def each(self, user: str = "", host: str = "", name: str = "") -> Iterator[Backup]:
        """What `find` finds, one by one, without holding more than a part of it in memory."""
        newest_first = sorted(
            (
                (backup.document.created_at, backup.id, series)
                for series in self._series(user, host, name)
                for backup in self._store.read_catalog(series)
            ),
            reverse=True,
        )
        for begin in range(0, len(newest_first), _HELD_BACKUPS):
            part = newest_first[begin : begin + _HELD_BACKUPS]
            ids = {backup_id for _, backup_id, _ in part}
            held = {
                backup.id: backup
                for series in {series for _, _, series in part}
                for backup in mark_broken_chains(self._store.read_catalog(series))
                if backup.id in ids
            }
            # One that has been removed meanwhile is left out.
            yield from (held[backup_id] for _, backup_id, _ in part if backup_id in held)

    def each_unsorted(self) -> Iterator[Backup]:
        """Every backup, series by series; holds the backups of one series in memory at a time."""
        for series in self._store.catalog_series():
            yield from mark_broken_chains(self._store.read_catalog(series))

    def _series(self, user: str, host: str, name: str) -> list[Series]:
        if user and host and name:
            return [Series(user, host, name)]
        return [
            series
            for series in self._store.catalog_series()
            if (not user or series.user == user)
            and (not host or series.host == host)
            and (not name or series.name == name)
        ]

    def of_series(self, series: Series) -> list[Backup]:
        """The backups of one series, the newest first."""
        return mark_broken_chains(self._store.read_catalog(series))[::-1]

    def find_in(self, series: Series, backup_id: str) -> Backup | None:
        """A backup of a series by its whole id, as it is now; None when there is none any more."""
        return next((backup for backup in self.of_series(series) if backup.id == backup_id), None)

    def get(self, backup_id: str, user: str = "") -> Backup:
        """A backup by its id, or by the beginning of it where only one begins so.

        Args:
            backup_id: the id, or its beginning.
            user: look among this user's only; empty for all.

        Raises:
            NotFound: there is none, or several begin so.
        """
        matching = self._store.find_backups(backup_id, user) if backup_id else iter(())
        found = next(matching, None)
        if found is None:
            raise NotFound(f"there is no backup {backup_id!r}", hint="see the list of backups")
        if others := sum(1 for _ in matching):
            raise NotFound(f"{others + 1} backups begin with {backup_id!r}", hint="give more of the id")
        if found.document.parent is None:
            return found
        return self.find_in(found.series, found.id) or found

    def ancestors(self, backup: Backup) -> list[Backup]:
        """What an increment needs to be restored: its parent, and so on down to the full one; of a full one nothing.

        Raises:
            NotFound, IntegrityFailed: one of them is not in the catalog, or they are no chain.
        """
        known = {each.id: each for each in self._store.read_catalog(backup.series)}

        def read(backup_id: str) -> BackupDocument:
            if backup_id not in known:
                raise NotFound(f"there is no backup {backup_id!r}")
            return known[backup_id].document

        return [known[document.id] for document in read_chain(backup.document, read)[1:]]

    def newest(self, series: Series) -> Backup | None:
        """The newest backup of a series; None when it has none."""
        return max(self._store.read_catalog(series), key=lambda backup: backup.document.created_at, default=None)

    def user_bytes(self, user: str) -> int:
        """What a user's backups take on the volumes."""
        return self._store.stored_bytes(user)

    def usage_of(self, volume: Volume) -> VolumeUsage:
        """What is on a volume by the catalog, whether it is there or not."""
        sizes = [backup.document.stored_bytes for backup in self.each_unsorted() if backup.volume == volume.id]
        return VolumeUsage(len(sizes), sum(sizes))

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

    def forget(self, backup_ids: Collection[str]) -> list[Backup]:
        """Forget backups whose removal was interrupted after they had left their place, and give them."""
        forgotten: list[Backup] = []
        for backup_id in backup_ids:
            for backup in list(self._store.find_backups(backup_id)):
                if backup.id == backup_id and not self.is_there(backup):
                    self.remove(backup)
                    forgotten.append(backup)
        return forgotten

    def forget_volume(self, volume_id: str) -> None:
        """Forget all backups of a volume; on the volume nothing is touched."""
        for series in self._store.catalog_series():
            with self._store.catalog_transaction(series) as table:
                for backup in table.all():
                    if backup.volume == volume_id:
                        table.remove(backup.id)

    def rebuild(self) -> RebuildReport:
        """Make the catalog anew from the volumes that are there; see `Rebuild.run`."""
        return Rebuild(self._store, self._volumes, self.is_there).run()

    def is_there(self, backup: Backup) -> bool:
        """Whether a backup's directory is on its volume, and the volume is there."""
        try:
            return self.directory(backup).is_dir()
        except NotFound:
            return False
