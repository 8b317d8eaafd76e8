"""The rules about one series. None of them looks at another series: success here hides no failure there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from statistics import median

from thaniya_core.config import CheckLimits
from thaniya_core.formats.manifest import BackupFile, FileKind
from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.model import Backup, EndedUpload, Severity, UploadState
from thaniya_core.monitor.facts import SeriesFacts
from thaniya_core.monitor.findings import Finding
from thaniya_core.monitor.rhythm import expected_rhythm

_COMPARED = 10
_LEAST_COMPARED = 4
"""A usual size takes so many backups before the last."""

_HARDLY_ANYTHING = 0.1
"""A backup that shrank to less than this share is as bad as none."""

_SMALL_BYTES = 1024**2
"""Backups below this may grow as they like."""

_IN_A_ROW = 2
"""So many failed attempts one after the other are no accident."""


def examine_series(facts: SeriesFacts, limits: CheckLimits, now: datetime) -> list[Finding]:
    """What is wrong with a series."""
    last = facts.last_good
    found = [*_find_late(facts, last, limits, now), *_find_failing(facts, last), *_find_broken(facts)]
    if last is not None:
        found += [*_find_unusual_size(facts, last, limits), *_find_empty(facts, last)]
    return found


def _find_late(facts: SeriesFacts, last: Backup | None, limits: CheckLimits, now: datetime) -> Iterator[Finding]:
    rhythm = expected_rhythm(facts, learn=limits.learn)
    if rhythm is None:
        return
    if last is not None:
        code, since = "series_late", last.document.created_at
    elif facts.expectation is not None:
        code, since = "series_missing", facts.expectation.since
    else:
        return
    age_s = (now - since).total_seconds()
    if age_s <= rhythm.allowed_s:
        return
    expected = f"one is expected every {format_duration(rhythm.every_s)}"
    if rhythm.is_learned:
        expected += f" (learned from its rhythm, which allows {format_duration(rhythm.allowed_s)})"
    else:
        expected += f", at the latest after {format_duration(rhythm.allowed_s)}"
    what = "no good backup" if facts.backups else "no backup at all"
    is_missed_again = age_s > rhythm.allowed_s + rhythm.every_s
    yield Finding(
        code,
        str(facts.series),
        Severity.CRITICAL if is_missed_again else Severity.WARNING,
        f"{what} for {format_duration(age_s)}; {expected}",
        f"look at the client's own log; if no more are to come: thaniya series set {facts.series} --retired",
    )


def _find_failing(facts: SeriesFacts, last: Backup | None) -> Iterator[Finding]:
    """The attempts since the last success. A success ends it, but only one that came after the failure."""
    failed = [
        upload
        for upload in sorted(facts.ended, key=lambda upload: (upload.created_at, upload.id))
        if upload.state in (UploadState.REJECTED, UploadState.FAILED, UploadState.EXPIRED, UploadState.ABORTED)
        and (last is None or (upload.created_at, upload.id) > (last.document.created_at, last.id))
    ]
    if not failed:
        return
    newest = failed[-1]
    many = f"the last {len(failed)} attempts" if len(failed) > 1 else "the last attempt"
    ever = "" if last is not None else ", and none ever succeeded"
    yield Finding(
        "series_failing",
        str(facts.series),
        Severity.CRITICAL if len(failed) >= _IN_A_ROW or newest.state is UploadState.FAILED else Severity.WARNING,
        f"{many} ended without a backup{ever}: {newest.state}{_reason(newest)}",
        f"thaniya upload show {newest.id}",
    )


def _reason(upload: EndedUpload) -> str:
    return f", {upload.reason}" if upload.reason else ""


def _find_broken(facts: SeriesFacts) -> Iterator[Finding]:
    broken = sorted((backup for backup in facts.backups if backup.broken), key=lambda backup: backup.id)
    if broken:
        newest = broken[-1]
        yield Finding(
            "backup_broken",
            str(facts.series),
            Severity.CRITICAL,
            f"{len(broken)} of {len(facts.backups)} backups are broken; {newest.id}: {newest.broken}",
            f"thaniya backup verify {newest.id}; if it stays so: look after the disk, back up anew, "
            f"then thaniya backup remove {newest.id}",
        )


def _find_unusual_size(facts: SeriesFacts, last: Backup, limits: CheckLimits) -> Iterator[Finding]:
    # Increments are compared with increments, whole backups with whole ones.
    alike = [
        backup
        for backup in facts.backups
        if not backup.broken and (backup.document.parent is None) == (last.document.parent is None)
    ]
    alike.sort(key=lambda backup: (backup.document.created_at, backup.id))
    earlier = [backup.document.original_bytes for backup in alike[:-1]][-_COMPARED:]
    if len(earlier) < _LEAST_COMPARED:
        return
    usual, size = median(earlier), last.document.original_bytes
    told = f"{format_size(size)} before compression, usually {format_size(round(usual))}"
    look = f"see what is in it: thaniya backup files {last.id}"
    if size < usual * limits.shrunk_to:
        is_hardly_anything = size < usual * min(_HARDLY_ANYTHING, limits.shrunk_to)
        severity = Severity.CRITICAL if is_hardly_anything else Severity.WARNING
        yield Finding("backup_shrunk", str(facts.series), severity, f"the last backup has shrunk: {told}", look)
    elif limits.grown_to and size > usual * limits.grown_to and size > _SMALL_BYTES:
        yield Finding("backup_grown", str(facts.series), Severity.WARNING, f"the last backup has grown: {told}", look)


def _find_empty(facts: SeriesFacts, last: Backup) -> Iterator[Finding]:
    data = [file for file in last.document.files if file.kind in (FileKind.TAR, FileKind.FILE)]
    empty = [file.name for file in data if _is_empty(file)]
    if not data or empty:
        yield Finding(
            "backup_empty",
            str(facts.series),
            Severity.CRITICAL if len(empty) == len(data) else Severity.WARNING,
            f"the last backup, {last.id}, has nothing in {_some(empty)}" if data else f"{last.id} has no data at all",
            "see whether its source is there and readable, then back up anew",
        )


def _is_empty(file: BackupFile) -> bool:
    if file.size_bytes == 0 or file.original_bytes == 0:
        return True
    return file.kind is FileKind.TAR and file.entries == 0


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
