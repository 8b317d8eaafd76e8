"""What is told: not what is found, but what has changed since it was told last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from thaniya_core.model import Alert, Severity
from thaniya_core.monitor.findings import Finding, urgency


class ChangeKind(StrEnum):
    NEW = "new"
    WORSE = "worse"
    BETTER = "better"
    """Still there, but less bad."""
    RESOLVED = "resolved"
    REMINDER = "reminder"
    """As it was: critical, and told long ago."""


class Change(Struct, frozen=True):
    """Something to tell."""

    kind: ChangeKind
    code: str
    subject: str
    severity: Severity
    """OK for what is resolved."""
    since: datetime
    text: str = ""
    cure: str = ""


class Comparison(Struct, frozen=True):
    """What to tell, and what has been told once that came through."""

    changes: tuple[Change, ...]
    alerts: tuple[Alert, ...]


def compare(told: Iterable[Alert], found: Iterable[Finding], now: datetime, remind_s: int) -> Comparison:
    """What has changed between what people know and what is.

    Args:
        told: what they know.
        found: what is.
        now: the time.
        remind_s: what is critical is told again after so long; 0 tells it once.
    """
    known = {(alert.code, alert.subject): alert for alert in told}
    changes: list[Change] = []
    alerts: list[Alert] = []
    for finding in found:
        alert = known.pop(finding.key, None)
        kind = _kind(alert, finding, now, remind_s)
        since = now if alert is None else alert.since
        if kind is not None:
            changes.append(
                Change(kind, finding.code, finding.subject, finding.severity, since, finding.text, finding.cure)
            )
            alerts.append(Alert(finding.code, finding.subject, finding.severity, since, told_at=now))
        elif alert is not None:
            alerts.append(alert)
    changes += [
        Change(ChangeKind.RESOLVED, alert.code, alert.subject, Severity.OK, alert.since) for alert in known.values()
    ]
    changes.sort(
        key=lambda change: (*urgency(change.severity, change.code), list(ChangeKind).index(change.kind), change.code)
    )
    return Comparison(tuple(changes), tuple(alerts))


def _kind(alert: Alert | None, finding: Finding, now: datetime, remind_s: int) -> ChangeKind | None:
    if alert is None:
        return ChangeKind.NEW
    if finding.severity.rank != alert.severity.rank:
        return ChangeKind.WORSE if finding.severity.rank > alert.severity.rank else ChangeKind.BETTER
    is_due = remind_s > 0 and not alert.told_at <= now < alert.told_at + timedelta(seconds=remind_s)
    return ChangeKind.REMINDER if is_due and finding.severity is Severity.CRITICAL else None
