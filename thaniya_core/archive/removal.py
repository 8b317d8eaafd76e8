"""Removing backups of a series: renamed out of their place first, unlinked afterwards.

A crash leaves each backup whole or gone. What lies in `.removing` counts as gone; the catalog forgets it at the next
removal in the series or at the next start of the service, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_core.archive.catalog import Catalog
from thaniya_core.archive.volumes import Volumes
from thaniya_core.errors import ThaniyaError, WrongState
from thaniya_core.formats.manifest import BackupDocument
from thaniya_core.formats.names import Series
from thaniya_core.formats.volume import backup_directory, removing_directory, removing_place, series_directory
from thaniya_core.model import Backup, UploadState
from thaniya_core.store import Store
from thaniya_core.system.files import fsync_directory, make_directories, os_errors, remove_tree

INTERRUPTED = "its removal had been interrupted"

Choose = Callable[[Sequence[Backup]], Iterable[Backup]]
"""Which of a series' backups are to be removed, told from all of them."""

Note = Callable[[Backup, str], None]
"""Told of each backup as it leaves its place, with what there is to say of that."""


class Removed(Struct, frozen=True):
    """What a removal did."""

    backups: tuple[Backup, ...] = ()
    absent: tuple[Backup, ...] = ()
    """Chosen too, but on a volume that is not there now."""
    freed_bytes: int = 0
    """What became free: what removed backups share with others is not."""


def own_bytes(directory: Path, document: BackupDocument) -> int:
    """What a backup shares with no other one, and removing it frees. A file that is lost frees nothing.

    Args:
        directory: where it lies.
        document: what is known of it.

    Raises:
        OSError: it cannot be looked at.
    """
    return sum(_own_bytes(directory / file.name) for file in document.files)


def _own_bytes(file: Path) -> int:
    try:
        status = file.lstat()
    except FileNotFoundError:
        return 0
    return status.st_size if status.st_nlink == 1 else 0


class Removal:
    """Removes backups from volumes and catalog."""

    def __init__(self, store: Store, volumes: Volumes, catalog: Catalog) -> None:
        self._store = store
        self._volumes = volumes
        self._catalog = catalog

    def remove_chosen(self, series: Series, choose: Choose, note: Note, *, must_agree: bool = True) -> Removed:
        """Remove some backups of a series; they are chosen while nobody else can change what is known of the series.

        Args:
            series: whose backups.
            choose: called with all that the catalog knows of the series.
            note: called for each that is removed, also by an earlier process that was killed on the way; twice for one
                that this happens to in between.
            must_agree: refuse to choose when the catalog knows other backups than lie on the volumes that are there.

        Raises:
            WrongState: catalog and volumes disagree about the series; nothing was removed.
            ThaniyaError: one could not be removed; those before it are gone.
        """
        with self._volumes.hold_present() as roots:
            return self._remove_chosen(series, choose, note, roots, must_agree)

    def _remove_chosen(
        self, series: Series, choose: Choose, note: Note, roots: dict[str, Path], must_agree: bool
    ) -> Removed:
        self._finish_interrupted(series, note, roots.values())
        removed: list[Backup] = []
        failure: ThaniyaError | None = None
        with self._store.catalog_transaction(series) as table:
            known = table.all()
            if must_agree:
                self._check_agreement(series, known, roots)
            chosen = list(choose(known))
            for backup in chosen:
                if backup.volume in roots:
                    try:
                        _put_aside(roots[backup.volume], backup)
                        table.remove(backup.id)
                        removed.append(backup)
                        note(backup, "")
                    except ThaniyaError as error:
                        failure = error  # the catalog must forget what is gone already
                        break
        freed_bytes = 0
        for backup in removed:
            with os_errors(f"remove {backup.id}"):
                grave = removing_directory(roots[backup.volume], backup.id)
                freed_bytes += own_bytes(grave, backup.document)
                remove_tree(grave)
        if failure is not None:
            raise failure
        absent = tuple(backup for backup in chosen if backup.volume not in roots)
        return Removed(tuple(removed), absent, freed_bytes)

    def _finish_interrupted(self, series: Series, note: Note, roots: Iterable[Path]) -> None:
        """Carry on removals of this series that were killed."""
        known = {backup.id: backup for backup in self._store.read_catalog(series)}
        for root in roots:
            with os_errors("finish an interrupted removal"):
                place = removing_place(root)
                left = {path.name for path in place.iterdir()} & known.keys() if place.is_dir() else set()
                if left:
                    self._catalog.forget(left)
                    for name in sorted(left):
                        note(known[name], INTERRUPTED)
                        remove_tree(place / name)

    def _check_agreement(self, series: Series, known: Sequence[Backup], roots: dict[str, Path]) -> None:
        """A plan must not rest on a catalog that knows too much or too little."""
        for volume_id, root in roots.items():
            listed = {backup.id for backup in known if backup.volume == volume_id}
            place = series_directory(root, series)
            with os_errors(f"read {place}"):
                lying = {path.name for path in place.iterdir()} if place.is_dir() else set()
            only_listed, only_lying = listed - lying, lying - listed
            if only_lying:
                only_lying -= self._being_archived()
            if only_listed or only_lying:
                raise _disagreement(series, place, sorted(only_listed), sorted(only_lying))

    def _being_archived(self) -> set[str]:
        """Uploads whose backup may be in its place already, and waits for this transaction to enter the catalog."""
        return {upload.id for upload in self._store.read().uploads.all() if upload.state is UploadState.SPOOLED}


def _disagreement(series: Series, place: Path, only_listed: Sequence[str], only_lying: Sequence[str]) -> WrongState:
    differences = [
        f"{what} {', '.join(ids[:3])}{' and more' if len(ids) > 3 else ''}"
        for what, ids in (("only in the catalog", only_listed), (f"only in {place}", only_lying))
        if ids
    ]
    return WrongState(
        f"{series}: catalog and volume disagree, nothing was removed: {'; '.join(differences)}",
        hint="run `thaniya catalog rebuild`, then look again",
    )


def _put_aside(root: Path, backup: Backup) -> None:
    directory = backup_directory(root, backup.series, backup.id)
    grave = removing_directory(root, backup.id)
    with os_errors(f"remove {backup.id}"):
        make_directories(grave.parent)
        directory.rename(grave)
        fsync_directory(directory.parent)
