"""The incremental part of one backup: what is offered as its parent, what tar works with, what is remembered.

A backup is an increment in all its tasks that can be, or in none: so every chain ends with a full backup.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

from msgspec import Struct

from thaniya_client.connectors.interface import Upload
from thaniya_client.incremental.links import find_split_links
from thaniya_client.incremental.policy import Incremental, Link
from thaniya_client.incremental.snapshot import forget_names, refresh_snapshot
from thaniya_client.incremental.state import Saved, Source, StateDirectory, default_state_directory, describe_source
from thaniya_core.errors import Busy, SourceFailed, ThaniyaError
from thaniya_core.formats.manifest import BackupFile, FileKind
from thaniya_core.formats.protocol import PARENTS_LIMIT, UploadState
from thaniya_core.formats.restoring import tar_stem
from thaniya_core.system.clock import Clock, SystemClock
from thaniya_core.system.files import os_errors

NO_INCREMENTS_THERE = "the server does not know increments"
_OTHERS_KEPT = 3
"""So many backups are remembered beside the newest and its parent, while none is known to be archived."""


class IncrementSource(Struct, frozen=True):
    """What a task says of the increments that it wants to make."""

    name: str
    """Of the archive, without suffixes."""
    path: Path
    options: str
    """What is packed and how: another text means that a full backup is due."""
    policy: Incremental
    hindrance: str = ""
    """Why there can be no increment here; empty when there can."""


@runtime_checkable
class IncrementalTask(Protocol):
    """A task that can be an increment."""

    def increment_source(self) -> IncrementSource | None:
        """What of; None when it is to be a full one, without a snapshot file.

        Raises:
            SourceFailed: the source is not there.
        """
        ...


@runtime_checkable
class KeepsIncrements(Protocol):
    """A connector to a place that keeps increments. Its uploads are `Agreed`."""

    def place(self) -> str:
        """What this place and its user are told from others by."""
        ...

    def begin_on(self, parents: Sequence[str], host: str, name: str, expected_bytes: int | None) -> Upload:
        """Do as `begin`, and agree on the first of some parents that is there, good and whole."""
        ...


@runtime_checkable
class Agreed(Protocol):
    """What an upload tells of its parent."""

    @property
    def parent(self) -> str | None: ...

    @property
    def parent_refused(self) -> str: ...


class WorkingSnapshot:
    """The snapshot file that tar reads and writes for one archive."""

    def __init__(self, path: Path, tree_before: Path | None) -> None:
        self.path = path
        self.tree_before = tree_before
        """The contents list of the whole tree at the parent, compressed by gzip; None for a full backup."""
        self.tree = path.with_suffix(".tree")
        """Where that of this backup is to be put."""
        self.is_increment = tree_before is not None
        self.unpacked: set[bytes] = set()
        """Paths, as tar writes them, of what could not be packed: they count as new the next time."""
        self.is_spoilt = False
        """What tar has written cannot be built on."""


class _Line:
    """One task's chain."""

    def __init__(self, source: IncrementSource, state: StateDirectory, now: Source) -> None:
        self.source = source
        self.state = state
        self.now = now
        self.usable: dict[str, Saved] = {}
        self.reason = ""

    def look(self, clock: Clock) -> None:
        """Find which backups the policy allows to build on, or the reason why there is none."""
        saved, self.reason = self.state.load()
        if not saved and not self.reason:
            self.reason = "there is no snapshot file of an earlier one"
        for each in saved:
            why_not = self.now.differs_from(each.source)
            why_not = why_not or self.source.policy.full_is_due(each.chain, clock.now())
            if why_not:
                self.reason = self.reason or why_not
            else:
                self.usable[each.id] = each


class Increments:
    """The increments of one backup. Use it in a `with` block: it holds the locks of the snapshot files."""

    def __init__(
        self,
        tasks: Sequence[object],
        connector: object,
        host: str,
        name: str,
        clock: Clock | None = None,
        encrypted_to: str = "",
    ) -> None:
        """Look which increments are wanted and possible.

        Args:
            tasks: of the backup.
            connector: to the place of backups.
            host, name: the series.
            clock: goes by the time of policies.
            encrypted_to: tells the keys that the backup is encrypted to from others: who has them must be able to
                restore the whole chain.

        Raises:
            SourceFailed: a source is not there.
            Busy: another backup of the same task is running.
        """
        self.parents: tuple[str, ...] = ()
        """What to offer to the place of backups, the preferred first."""
        self.parent: str | None = None
        self.full_because = ""
        """Why it is a full backup, where an increment was wanted."""
        self._clock = clock or SystemClock()
        self._begun = self._clock.now()
        self._encrypted_to = encrypted_to
        self._lines: dict[str, _Line] = {}
        self._working: dict[str, WorkingSnapshot] = {}
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        wanted = [source for task in tasks if (source := _source_of(task)) is not None]
        if not wanted:
            return
        if hindrance := next((source.hindrance for source in wanted if source.hindrance), ""):
            self.full_because = hindrance
        elif not isinstance(connector, KeepsIncrements):
            self.full_because = "this place keeps no increments"
        else:
            place = connector.place()
            try:
                self._open(wanted, place, host, name)
            except (Busy, SourceFailed):
                self.close()
                raise
            except ThaniyaError as error:
                self.close()
                self._lines.clear()
                self.full_because = error.message
            except BaseException:
                self.close()
                raise

    def agree(self, upload: object) -> None:
        """Heed what the place of backups said to the parents that were offered."""
        if not self.parents:
            return
        agreed = upload if isinstance(upload, Agreed) else None
        if agreed is not None and agreed.parent in self.parents:
            self.parent = agreed.parent
        else:
            self.full_because = (agreed.parent_refused if agreed is not None else "") or NO_INCREMENTS_THERE

    def working_snapshot(self, name: str) -> WorkingSnapshot | None:
        """The file that tar is to work with for an archive; None for an archive without increments.

        Raises:
            IntegrityFailed: the snapshot file is damaged.
        """
        line = self._lines.get(name)
        if line is None:
            return None
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="thaniya-", ignore_cleanup_errors=True)
        path = Path(self._scratch.name) / f"{len(self._working)}.snapshot"
        tree_before = None
        if self.parent is not None:
            saved = line.usable[self.parent]
            tree_before = line.state.tree(saved)
            moved = (saved.source.device, line.now.device)
            known = refresh_snapshot(line.state.snapshot(saved), line.source.path, path, moved)
            if split := find_split_links(line.source.path, known):
                path.write_bytes(forget_names(path, split))
        working = WorkingSnapshot(path, tree_before)
        self._working[name] = working
        return working

    def remember(self, backup_id: str, files: Sequence[BackupFile]) -> list[str]:
        """Write durably what the next increment needs, before the upload is completed; gives what hindered that."""
        hindrances: list[str] = []
        for name, working in self._working.items():
            line = self._lines[name]
            if working.is_spoilt:
                continue
            stored = next(file for file in files if file.kind is FileKind.TAR and tar_stem(file) == name)
            before = line.usable[self.parent].chain if self.parent is not None else ()
            chain = (*before, Link(backup_id, self._begun, stored.size_bytes or 0))
            try:
                with os_errors(f"read {working.tree}"):
                    tree = working.tree.read_bytes()
                line.state.save(chain, line.now, forget_names(working.path, working.unpacked), tree)
                line.state.keep_only({backup_id} | ({self.parent} if self.parent else set()), _OTHERS_KEPT)
            except ThaniyaError as error:
                working.is_spoilt = True
                hindrances.append(f"no increment can be made on this backup: {error}")
        return hindrances

    def settle(self, backup_id: str, state: UploadState) -> None:
        """Go forward: of a backup that is archived, the earlier ones are forgotten."""
        if state is not UploadState.ARCHIVED:
            return
        for name, working in self._working.items():
            if not working.is_spoilt:
                self._lines[name].state.keep_only({backup_id})

    def close(self) -> None:
        """Let go of locks and temporary files."""
        for line in self._lines.values():
            line.state.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def __enter__(self) -> Increments:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, wanted: Sequence[IncrementSource], place: str, host: str, name: str) -> None:
        for source in wanted:
            if source.name in self._lines:
                continue  # the packer will refuse two archives of one name
            base = source.policy.state_directory or default_state_directory()
            state = StateDirectory(base, place, host, name, source.name)
            options = f"{source.options} encrypted to {self._encrypted_to}" if self._encrypted_to else source.options
            line = _Line(source, state, describe_source(source.path, options))
            self._lines[source.name] = line
            line.look(self._clock)
        common = set.intersection(*(set(line.usable) for line in self._lines.values()))
        newest_first = (saved for saved in next(iter(self._lines.values())).usable if saved in common)
        self.parents = tuple(newest_first)[:PARENTS_LIMIT]
        if not self.parents:
            reasons = (f"{line.source.path}: {line.reason}" for line in self._lines.values() if line.reason)
            self.full_because = next(reasons, "the directories were not backed up together the last time")


def _source_of(task: object) -> IncrementSource | None:
    return task.increment_source() if isinstance(task, IncrementalTask) else None
