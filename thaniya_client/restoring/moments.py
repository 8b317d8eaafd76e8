"""Which backup is meant by a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from thaniya_core.errors import NotFound, WrongUsage
from thaniya_core.formats.protocol import BackupSummary

_TIME_HINT = "write it as 2026-03-01 (the end of that day), 2026-03-01T12:00 or 2026-03-01T12:00:00Z"


def parse_moment(told: str | date | datetime) -> datetime:
    """A time with its zone. A date alone means the end of that day; a time without a zone is local.

    Raises:
        WrongUsage: it is none.
    """
    try:
        if isinstance(told, str):
            told = date.fromisoformat(told) if len(told) == 10 else datetime.fromisoformat(told)
        if not isinstance(told, datetime):
            told = datetime.combine(told + timedelta(days=1), datetime.min.time()) - timedelta(microseconds=1)
        return told if told.tzinfo is not None else told.astimezone()
    except (ValueError, OverflowError, OSError) as exc:
        raise WrongUsage(f"{told} is not a time", hint=_TIME_HINT) from exc


def newest_good(backups: Iterable[BackupSummary], at: datetime | None, wanted: str) -> BackupSummary:
    """The newest good backup that was created at a time or before.

    Args:
        backups: the newest first.
        at: the time; None: now.
        wanted: what was asked for, for errors.

    Raises:
        NotFound: there is none; the error names the oldest good one there is.
        WrongUsage: they are of several series.
    """
    found: BackupSummary | None = None
    oldest: BackupSummary | None = None
    series: set[str] = set()
    for backup in backups:
        series.add(f"{backup.user}/{backup.host}/{backup.name}")
        if len(series) > 1:
            raise WrongUsage(
                f"{wanted}: there are backups of several series, such as {' and '.join(sorted(series))}",
                hint="say which one by its name, and by its host where that is not enough (--name, --host)",
            )
        if backup.broken:
            continue
        oldest = backup
        if found is None and (at is None or backup.created_at <= at):
            found = backup
    if found is not None:
        return found
    if oldest is None:
        raise NotFound(f"{wanted}: there is no good backup", hint="thaniya-client list")
    raise NotFound(
        f"{wanted}: the oldest good backup is {oldest.id}, created {oldest.created_at.astimezone():%Y-%m-%d %H:%M}",
        hint="ask for a later time, or for that one by its id",
    )
