"""Making a survey while the series pass by: of each only what the survey needs is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from heapq import nlargest
from itertools import accumulate

from thaniya_core.formats.names import Series
from thaniya_core.model import EndedUpload, Severity, User, VolumeCondition
from thaniya_core.monitor.calendar import DayState, LocalDays, day_states
from thaniya_core.monitor.facts import SeriesFacts, VolumeFacts
from thaniya_core.monitor.findings import Finding
from thaniya_core.monitor.growth import days_until_full
from thaniya_core.monitor.health import Report
from thaniya_core.monitor.summary import SeriesSummary
from thaniya_core.monitor.survey import (
    CALENDAR_DAYS,
    ENDED_UPLOADS,
    GROWTH_DAYS,
    Survey,
    SurveyedSeries,
    SurveyedUser,
    SurveyedVolume,
)
from thaniya_core.monitor.verdict import verdict
from thaniya_core.monitor.volumes import growth_by_volume


@dataclass
class _Lying:
    """What lies on a volume."""

    backups: int = 0
    came_bytes: list[int] = field(default_factory=partial(list, (0,) * GROWTH_DAYS))
    """By the day it came; what is older came on the first."""


class Surveyor:
    """Looks at each series once."""

    def __init__(self, now: datetime, zone: tzinfo | None = None) -> None:
        """
        Args:
            now: the time.
            zone: whose days count; None is the machine's own.
        """
        self._now = now
        self._days = LocalDays(now, CALENDAR_DAYS, zone)
        self._growth_days = LocalDays(now, GROWTH_DAYS, zone)
        self._calendars: dict[Series, tuple[DayState, ...]] = {}
        self._lying: defaultdict[str, _Lying] = defaultdict(_Lying)

    def look(self, facts: SeriesFacts, summary: SeriesSummary) -> None:
        """Take in a series."""
        last_at = summary.last.created_at if summary.last is not None else None
        self._calendars[facts.series] = day_states(facts, summary.rhythm, last_at, self._days, self._now)
        for backup in facts.backups:
            day = self._growth_days.number_of(backup.document.archived_at)
            lying = self._lying[backup.volume]
            lying.backups += 1
            lying.came_bytes[min(max(day, 0), GROWTH_DAYS - 1)] += backup.document.stored_bytes

    def finish(self, report: Report, ended: Iterable[EndedUpload]) -> Survey:
        """The survey.

        Args:
            report: what was found in the series that were looked at, and in all else.
            ended: uploads that ended lately.
        """
        severities = _severities(report.findings)
        return Survey(
            made_at=report.checked_at,
            today=self._days.today,
            status=report.status,
            verdict=verdict(report.findings, report.series, report.server.volumes),
            findings=report.findings,
            series=tuple(self._describe(each, severities) for each in report.series),
            volumes=tuple(self._describe_volumes(report)),
            users=tuple(_sum_up(report.server.users, report.series)),
            ended=tuple(nlargest(ENDED_UPLOADS, ended, key=lambda upload: (upload.ended_at, upload.id))),
        )

    def _describe(self, summary: SeriesSummary, severities: dict[str, Severity]) -> SurveyedSeries:
        last, rhythm = summary.last, summary.rhythm
        return SurveyedSeries(
            series=summary.series,
            backups=summary.backups,
            broken=summary.broken,
            stored_bytes=summary.stored_bytes,
            last_at=last.created_at if last is not None else None,
            last_bytes=last.stored_bytes if last is not None else None,
            every_s=rhythm.every_s if rhythm is not None else None,
            allowed_s=rhythm.allowed_s if rhythm is not None else None,
            is_learned=rhythm is not None and rhythm.is_learned,
            is_retired=summary.is_retired,
            unverified=summary.unverified,
            severity=severities.get(str(summary.series), Severity.OK),
            days=self._calendars[summary.series],
        )

    def _describe_volumes(self, report: Report) -> Iterator[SurveyedVolume]:
        growth = growth_by_volume(report.series, self._now)
        for facts in report.server.volumes:
            lying = self._lying[facts.volume.id]
            space = facts.space
            came = tuple(accumulate(lying.came_bytes))
            yield SurveyedVolume(
                id=facts.volume.id,
                label=facts.volume.label,
                path=str(facts.volume.path),
                is_active=facts.volume.active,
                condition=_condition(facts),
                problem="" if space is not None else facts.problem or f"it is not at {facts.volume.path}",
                total_bytes=space.total_bytes if space is not None else None,
                free_bytes=space.free_bytes if space is not None else None,
                low_bytes=facts.low_bytes,
                backups=lying.backups,
                stored_bytes=came[-1],
                full_in_days=days_until_full(space.free_bytes, growth.get(facts.volume.id)) if space else None,
                growth=came,
            )


def _severities(findings: Iterable[Finding]) -> dict[str, Severity]:
    """The worst finding about each series, those about one of its uploads (`alice/web1/nightly/ID`) included."""
    found: dict[str, Severity] = {}
    for finding in findings:
        series = "/".join(finding.subject.split("/")[:3])
        found[series] = max(found.get(series, Severity.OK), finding.severity, key=lambda severity: severity.rank)
    return found


def _condition(facts: VolumeFacts) -> VolumeCondition:
    if facts.space is None:
        return VolumeCondition.DAMAGED if facts.problem else VolumeCondition.MISSING
    return VolumeCondition.LOW if facts.space.free_bytes < facts.low_bytes else VolumeCondition.OK


def _sum_up(users: Iterable[User], series: Iterable[SeriesSummary]) -> Iterator[SurveyedUser]:
    """Every user, also those who were removed and whose backups are still there."""
    sums = {user.name: (0, 0) for user in users}
    for each in series:
        backups, stored_bytes = sums.get(each.series.user, (0, 0))
        sums[each.series.user] = backups + each.backups, stored_bytes + each.stored_bytes
    for name, (backups, stored_bytes) in sorted(sums.items()):
        yield SurveyedUser(name, backups, stored_bytes)
