"""Retention of a server's backups: plans of its series, and carrying them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.names import Series
from thaniya_core.model import Backup, awaited_parents, mark_broken_chains
from thaniya_core.retention.plan import Candidate, Plan, make_plan
from thaniya_core.retention.ports import Archive
from thaniya_core.retention.settings import Applied, RetentionSettings
from thaniya_core.store import Store
from thaniya_core.system.clock import Clock
from thaniya_core.system.files import os_errors


class SeriesPlan(Struct, frozen=True):
    """What becomes of a series' backups."""

    series: Series
    applied: Applied
    plan: Plan
    backups: dict[str, Backup]
    """By id: what the plan decides about."""

    @property
    def kept_bytes(self) -> int:
        return sum(self.backups[decision.candidate.id].document.stored_bytes for decision in self.plan.kept)

    @property
    def removed_bytes(self) -> int:
        return sum(self.backups[decision.candidate.id].document.stored_bytes for decision in self.plan.removed)


class Pruned(Struct, frozen=True):
    """What was removed of a series."""

    series: Series
    removed: tuple[Backup, ...]
    absent: tuple[Backup, ...]
    """To be removed too, but on a volume that is not there now."""
    freed_bytes: int
    """What became free: what removed backups share with others is not."""


class NotPruned(Struct, frozen=True):
    """A series whose policy could not be applied, or not to its end."""

    series: Series
    error: ThaniyaError


class Retention:
    """Plans, and carries plans out."""

    def __init__(self, store: Store, clock: Clock, settings: RetentionSettings, archive: Archive) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._archive = archive

    def plan(self, series: Iterable[Series]) -> Iterator[SeriesPlan]:
        """What becomes of the backups of some series now; nothing is changed."""
        for each, applied in self._settings.of_each(list(series)):
            yield self._plan(each, applied, self._store.read_catalog(each))

    def _plan(self, series: Series, applied: Applied, backups: Sequence[Backup]) -> SeriesPlan:
        awaited = awaited_parents(self._store.read().uploads.all())
        return _plan_series(series, applied, backups, self._clock.now(), awaited)

    def apply(self, series: Series, actor: str) -> Pruned:
        """Remove what a series' policy does not keep. It is planned anew, under the lock of the series.

        Raises:
            WrongState: catalog and volumes disagree about the series; nothing was removed.
            ThaniyaError: a backup could not be removed; those before it are gone.
        """

        def choose(known: Sequence[Backup]) -> list[Backup]:
            # The policy is read under the lock too: one that was set while this waited for it holds.
            planned = self._plan(series, self._settings.of(series), known)
            # The newest first: killed half way, no increment has lost what it needs.
            return [planned.backups[decision.candidate.id] for decision in planned.plan.removed]

        removed = self._archive.remove_chosen(series, choose, actor)
        return Pruned(series, removed.backups, removed.absent, removed.freed_bytes)

    def apply_each(self, series: Iterable[Series], actor: str) -> Iterator[Pruned | NotPruned]:
        """Do `apply` to one series after the other, and give what came of each. One that fails stops no other."""
        for each in series:
            try:
                with os_errors(f"apply the policy of {each}"):
                    result: Pruned | NotPruned = self.apply(each, actor)
            except ThaniyaError as error:
                result = NotPruned(each, error)
            yield result


def _plan_series(
    series: Series, applied: Applied, backups: Sequence[Backup], now: datetime, awaited: Mapping[str, str]
) -> SeriesPlan:
    marked = mark_broken_chains(backups)
    plan = make_plan([_candidate(backup) for backup in marked], applied.policy, now=now, awaited=awaited)
    return SeriesPlan(series, applied, plan, {backup.id: backup for backup in backups})


def _candidate(backup: Backup) -> Candidate:
    document = backup.document
    return Candidate(backup.id, document.created_at, backup.notes.pinned, bool(backup.broken), document.parent or "")
