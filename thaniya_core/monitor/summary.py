"""A series in few words: what is kept of it while the others are looked at, for sums and metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from thaniya_core.formats.names import Series
from thaniya_core.monitor.facts import SeriesFacts
from thaniya_core.monitor.rhythm import Rhythm, expected_rhythm


class LastBackup(Struct, frozen=True):
    """The newest backup of a series that is not broken."""

    created_at: datetime
    archived_at: datetime
    stored_bytes: int
    original_bytes: int
    files: int
    warning_count: int


class Arrived(Struct, frozen=True):
    """Bytes that came onto a volume."""

    volume: str
    at: datetime
    size_bytes: int


class SeriesSummary(Struct, frozen=True):
    """A series in few words."""

    series: Series
    backups: int
    broken: int
    stored_bytes: int
    last: LastBackup | None
    oldest_at: datetime | None
    newest_at: datetime | None
    """The newest time in it."""
    is_pruned: bool
    """A retention policy removes its old backups."""
    is_retired: bool
    """An administrator expects nothing any more."""
    rhythm: Rhythm | None
    unverified: int
    """Backups that were not read again for too long."""
    results: Mapping[str, int]
    """By state: uploads that ended lately."""
    arrived: tuple[Arrived, ...]
    """What came to stay: of a series that nothing is removed from, each backup that came lately."""


def summarise(
    facts: SeriesFacts, now: datetime, *, growth_since: datetime, verified_within_s: int, learn: bool
) -> SeriesSummary:
    """Look at each backup of a series once.

    Args:
        facts: the series.
        now: the time.
        growth_since: what came before is no sign of growth.
        verified_within_s: how old a verification may be; 0: any. Archiving reads everything, and counts as one.
        learn: whether a rhythm is learned where nobody said one.
    """
    last = facts.last_good
    oldest_verified = now - timedelta(seconds=verified_within_s)
    document = last.document if last is not None else None
    return SeriesSummary(
        series=facts.series,
        backups=len(facts.backups),
        broken=sum(bool(backup.broken) for backup in facts.backups),
        stored_bytes=sum(backup.document.stored_bytes for backup in facts.backups),
        last=None
        if document is None
        else LastBackup(
            document.created_at,
            document.archived_at,
            document.stored_bytes,
            document.original_bytes,
            len(document.files),
            document.warning_count,
        ),
        oldest_at=min((backup.document.created_at for backup in facts.backups), default=None),
        is_pruned=facts.is_pruned,
        newest_at=max((backup.document.archived_at for backup in facts.backups), default=None),
        is_retired=facts.expectation is not None and facts.expectation.every_s is None,
        rhythm=expected_rhythm(facts, learn=learn),
        unverified=sum(
            not backup.broken and (backup.verified_at or backup.document.archived_at) < oldest_verified
            for backup in facts.backups
        )
        if verified_within_s
        else 0,
        results=Counter(str(upload.state) for upload in facts.ended),
        arrived=()
        if facts.is_pruned
        else tuple(
            Arrived(backup.volume, backup.document.archived_at, backup.document.stored_bytes)
            for backup in facts.backups
            if backup.document.archived_at >= growth_since
        ),
    )
