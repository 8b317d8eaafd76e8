"""All rules together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from thaniya_core.config import CheckLimits
from thaniya_core.model import Severity
from thaniya_core.monitor.facts import SeriesFacts, ServerFacts
from thaniya_core.monitor.findings import Finding, sort_findings, worst
from thaniya_core.monitor.growth import GROWTH_WINDOW
from thaniya_core.monitor.series import examine_series
from thaniya_core.monitor.summary import SeriesSummary, summarise
from thaniya_core.monitor.volumes import examine_volumes
from thaniya_core.monitor.work import (
    examine_clock,
    examine_jobs,
    examine_retention,
    examine_schedule,
    examine_service,
    examine_slots,
    examine_telling,
    examine_uploads,
    examine_users,
    examine_verification,
)


class Report(Struct, frozen=True):
    """What a check found, and what it saw."""

    checked_at: datetime
    findings: tuple[Finding, ...]
    """The worst first."""
    server: ServerFacts
    series: tuple[SeriesSummary, ...]

    @property
    def status(self) -> Severity:
        return worst(self.findings)


def examine(
    series: Iterable[SeriesFacts],
    server: ServerFacts,
    limits: CheckLimits,
    on_series: Callable[[SeriesFacts, SeriesSummary], None] | None = None,
) -> Report:
    """Look at everything, one series after the other: only a summary of each is kept.

    Args:
        series: every series, in any order; consumed once.
        server: everything else, and the time.
        limits: what is worth telling.
        on_series: is shown each series too, so that nobody has to go through them again.
    """
    now = server.now
    findings: list[Finding] = []
    summaries: list[SeriesSummary] = []
    for facts in series:
        findings += examine_series(facts, limits, now)
        summary = summarise(
            facts,
            now,
            growth_since=now - GROWTH_WINDOW,
            verified_within_s=limits.verified_within,
            learn=limits.learn,
        )
        summaries.append(summary)
        if on_series is not None:
            on_series(facts, summary)
    summaries.sort(key=lambda each: each.series)
    findings += examine_server(server, summaries, limits)
    return Report(now, tuple(sort_findings(findings)), server, tuple(summaries))


def examine_server(server: ServerFacts, series: Sequence[SeriesSummary], limits: CheckLimits) -> list[Finding]:
    """What is wrong with everything that is no series."""
    return [
        *examine_volumes(server.volumes, series, limits, server.now),
        *examine_uploads(server, limits),
        *examine_jobs(server, limits),
        *examine_slots(server.slots),
        *examine_users(server, series, limits),
        *examine_verification(series, limits),
        *examine_service(server, limits),
        *examine_retention(server, series, limits),
        *examine_schedule(server, limits),
        *examine_clock(server, series),
        *examine_telling(server, series),
    ]
