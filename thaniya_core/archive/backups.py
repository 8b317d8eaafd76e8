"""Archived backups: what can be done with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from msgspec.structs import replace

from thaniya_core.archive.catalog import Catalog
from thaniya_core.archive.contents import Inside, read_inside
from thaniya_core.archive.notes import change_tags, write_notes
from thaniya_core.archive.reading import OnChunk
from thaniya_core.archive.removal import INTERRUPTED, Choose, Removal, Removed, own_bytes
from thaniya_core.archive.restore import Stored, check_readable, restore_backup
from thaniya_core.archive.trial import try_restore
from thaniya_core.archive.verify import examine
from thaniya_core.archive.volumes import Volumes
from thaniya_core.errors import NotFound, WrongState
from thaniya_core.formats.manifest import first_encrypted
from thaniya_core.formats.names import DOCUMENT_FILES, Series
from thaniya_core.formats.notes import Notes
from thaniya_core.formats.restoring import select_parts
from thaniya_core.formats.volume import testing_place
from thaniya_core.model import Backup, Event, awaited_parents, increments_on
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.files import open_regular, os_errors
from thaniya_core.system.marked_directory import check_target

_DAMAGE_SHOWN = 10


def _chain_bytes(chain: Sequence[Stored]) -> int:
    """What those that an increment builds on take at the most when they are unpacked."""
    return sum(stored.document.original_bytes for stored in chain[1:])


class Backups:
    """The archive as people and clients use it."""

    def __init__(self, store: Store, clock: Clock, volumes: Volumes, catalog: Catalog) -> None:
        self._store = store
        self._clock = clock
        self._volumes = volumes
        self._catalog = catalog
        self._removal = Removal(store, volumes, catalog)

    def open_file(self, backup: Backup, name: str) -> BinaryIO:
        """A file of a backup as it is stored, unbuffered.

        Raises:
            NotFound: the backup has no such file, or is not there.
        """
        files = backup.document.files
        if name not in DOCUMENT_FILES and name not in {file.name for file in files}:
            stored = next((file.name for file in files if file.uploaded_name == name), None)
            hint = f"it is stored compressed, as {stored}" if stored else "see the list of its files"
            raise NotFound(f"the backup {backup.id} has no file {name[:80]!r}", hint=hint)
        with os_errors(f"open {name} of {backup.id}"):
            descriptor = open_regular(self._catalog.directory(backup) / name)
        return cast(BinaryIO, os.fdopen(descriptor, "rb", buffering=0))

    def inside(self, backup: Backup) -> Iterator[Inside]:
        """What is inside a backup, read as it is asked for; see `read_inside`.

        Raises:
            NotFound: it is not there, or its volume is not.
            IntegrityFailed: a contents list is damaged.
        """
        return read_inside(self._catalog.directory(backup), backup.document)

    def verify(
        self, backup: Backup, actor: str, on_chunk: OnChunk | None = None, *, trial: Path | None = None
    ) -> Backup:
        """Read a backup again, and keep what was found in the catalog. An exception in between leaves nothing.

        Args:
            backup: which.
            actor: who asks, for the audit log.
            on_chunk: called with the number of bytes read since the last call; what it raises ends the reading.
            trial: a directory to restore it below on trial, to be compared and removed; None for no trial. There
                is none where something is encrypted, and that is not held against the backup.

        Returns:
            The backup with `verified_at`, and `broken` when something is wrong.

        Raises:
            NotFound: it is not there, or its volume is not.
            NoSpace, Busy: it could not be restored on trial.
        """
        directory = self._catalog.directory(backup)
        with os_errors(f"verify {backup.id}"):
            found = examine(directory, backup.document, on_chunk)
            damage = found.damage
            chain = self.chain(backup) if trial is not None and not damage else []
            if trial is not None and chain and not any(first_encrypted(stored.document.files) for stored in chain):
                damage = try_restore(chain, trial, found.unpacked_bytes + _chain_bytes(chain))
        verified = self._catalog.note_verified(backup, "; ".join(damage[:_DAMAGE_SHOWN]), self._clock.now())
        self._log(actor, "backup.verify", backup, verified.broken or "; ".join(found.untested), ok=not damage)
        return verified

    def note_damage(self, backup: Backup, damage: str) -> None:
        """Mark a backup as broken that was found so by the way."""
        self._catalog.note_verified(backup, damage, self._clock.now())
        self._log("service", "backup.verify", backup, damage, ok=False)

    def trial_place(self, backup: Backup) -> Path:
        """Where a backup is restored on trial, unless told otherwise: on its own volume."""
        return testing_place(self._volumes.present_root(backup.volume))

    def restore(
        self,
        backup: Backup,
        target: Path,
        paths: Sequence[str],
        overwrite: bool,
        actor: str,
        on_chunk: OnChunk | None = None,
    ) -> int | None:
        """Restore into a directory, and give how many files came; see `restore_backup`."""
        came = restore_backup(self.chain(backup), target, paths, overwrite=overwrite, on_chunk=on_chunk)
        self.note_restored(backup, target, actor)
        return came

    def check_restore(self, backup: Backup, target: Path, paths: Sequence[str]) -> None:
        """Make sure that a restore can begin: the paths can be in the backup, the target is missing or empty.

        Raises:
            WrongUsage: a path leads out of the backup, or the target is no directory.
            AlreadyExists: the target is not empty.
            NotFound: a path can be in no file of the backup.
            IdentityNeeded: something of it is encrypted.
        """
        check_readable(backup.document, select_parts(backup.document, paths))
        check_target(target, backup.id, overwrite=False)

    def chain(self, backup: Backup) -> list[Stored]:
        """A backup and, of an increment, what it builds on down to the full one; and where they lie.

        Raises:
            NotFound: one of them is not there, or its volume is not.
            IntegrityFailed: they are no chain.
        """
        needed = [backup, *self._catalog.ancestors(backup)]
        return [Stored(each.document, self._catalog.directory(each)) for each in needed]

    def note_restored(self, backup: Backup, target: Path, actor: str) -> None:
        """Write to the audit log that a backup was restored by other means than `restore`."""
        self._log(actor, "backup.restore", backup, str(target))

    def own_bytes(self, backup: Backup) -> int:
        """What removing a backup frees; see `removal.own_bytes`.

        Raises:
            NotFound: it is not there, or its volume is not.
        """
        directory = self._catalog.directory(backup)
        with os_errors(f"look at {backup.id}"):
            return own_bytes(directory, backup.document)

    def remove(self, backup: Backup, actor: str, *, with_increments: bool = False) -> tuple[Backup, ...]:
        """Remove a backup from its volume and the catalog. A crash leaves it whole or gone, never a part.

        Args:
            backup: which.
            actor: who asks, for the audit log.
            with_increments: remove those that build on it too; without, they keep it from being removed.

        Returns:
            All that was removed.

        Raises:
            NotFound: it is not there, or its volume is not.
            WrongState: it is pinned, or one that goes with it is; or others need it.
        """
        self._catalog.directory(backup)

        def choose(known: Sequence[Backup]) -> list[Backup]:
            increments = increments_on(backup.id, known)
            self._check_unneeded(backup, () if with_increments else increments)
            chosen = [*increments, *(each for each in known if each.id == backup.id)]
            for each in chosen:
                if each.notes.pinned:
                    raise WrongState(f"the backup {each.id} is pinned", hint=f"thaniya backup unpin {each.id}")
                self._catalog.directory(each)
            return chosen

        removed = self._removal.remove_chosen(
            backup.series, choose, partial(self._note_removed, actor), must_agree=False
        )
        if not removed.backups:
            raise NotFound(f"there is no backup {backup.id!r} any more")
        return removed.backups

    def _check_unneeded(self, backup: Backup, increments: Sequence[Backup]) -> None:
        needing = [each.id for each in increments]
        awaited = awaited_parents(self._store.read().uploads.all())
        needing += [awaited[backup.id]] if backup.id in awaited else []
        if needing:
            more = f" and {len(needing) - 3} more" if len(needing) > 3 else ""
            raise WrongState(
                f"the backup {backup.id} is needed by {', '.join(needing[:3])}{more}, which build on it",
                hint=f"to remove them too: thaniya backup remove {backup.id} --with-increments",
            )

    def remove_chosen(self, series: Series, choose: Choose, actor: str) -> Removed:
        """Remove some backups of a series; see `Removal.remove_chosen`."""
        return self._removal.remove_chosen(series, choose, partial(self._note_removed, actor))

    def forget_removed(self, backup_ids: Collection[str], actor: str) -> None:
        """Forget backups whose removal was interrupted after they had left their place."""
        for backup in self._catalog.forget(backup_ids):
            self._note_removed(actor, backup, INTERRUPTED)

    def _note_removed(self, actor: str, backup: Backup, detail: str) -> None:
        self._log(actor, "backup.remove", backup, detail)

    def pin(self, backup: Backup, pinned: bool, actor: str) -> Backup:
        """Have retention never remove a backup, or let it again."""
        action = "backup.pin" if pinned else "backup.unpin"
        return self._change_notes(backup, lambda notes: replace(notes, pinned=pinned), action, "", actor)

    def tag(self, backup: Backup, add: Sequence[str], remove: Sequence[str], actor: str) -> Backup:
        """Give a backup tags, and take others away.

        Raises:
            IllegalName: one is not a legal tag.
        """
        detail = " ".join([*(f"+{tag}" for tag in add), *(f"-{tag}" for tag in remove)])
        return self._change_notes(backup, lambda notes: change_tags(notes, add, remove), "backup.tag", detail, actor)

    def _change_notes(
        self, backup: Backup, change: Callable[[Notes], Notes], action: str, detail: str, actor: str
    ) -> Backup:
        directory = self._catalog.directory(backup)
        with self._store.catalog_transaction(backup.series) as table:
            current = table.get(backup.id)
            if current is None:
                raise NotFound(f"there is no backup {backup.id!r} any more")
            changed = replace(current, notes=change(current.notes))
            with os_errors(f"write the notes of {backup.id}"):
                write_notes(directory, changed.notes)
            table.put(changed)
        self._log(actor, action, changed, detail)
        return changed

    def _log(self, actor: str, action: str, backup: Backup, detail: str = "", ok: bool = True) -> None:
        subject = f"{backup.series}/{backup.id}"
        self._store.add_event(Event(self._clock.now(), actor, action, subject, ok, detail))
