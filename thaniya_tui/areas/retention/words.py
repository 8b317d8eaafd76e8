"""Policies and what they come to, in words."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.text import Text

from thaniya_core.formats.quantities import format_size
from thaniya_core.views import (
    ALL_BACKUPS,
    DEFAULT_SCOPE,
    POLICY_KEYS,
    Applied,
    Period,
    PlanSums,
    Policy,
    ScopeStatus,
    SeriesPlan,
)
from thaniya_tui import render

EVERYTHING = "keeps everything"

_UNITS = {
    Period.HOURLY: "hour",
    Period.DAILY: "day",
    Period.WEEKLY: "week",
    Period.MONTHLY: "month",
    Period.YEARLY: "year",
}


class Totals(Struct, frozen=True):
    """What the plans of many series come to."""

    series: int = 0
    with_removals: int = 0
    kept: int = 0
    kept_bytes: int = 0
    removed: int = 0
    removed_bytes: int = 0


def add_up(sums: Sequence[PlanSums]) -> Totals:
    """The sums of many series as one."""
    return Totals(
        series=len(sums),
        with_removals=sum(each.removed > 0 for each in sums),
        kept=sum(each.kept for each in sums),
        kept_bytes=sum(each.kept_bytes for each in sums),
        removed=sum(each.removed for each in sums),
        removed_bytes=sum(each.removed_bytes for each in sums),
    )


def tell_policy(policy: Policy) -> str:
    """A policy as it is typed, or that it keeps everything."""
    return EVERYTHING if policy.keeps_everything else str(policy)


def tell_source(status: ScopeStatus) -> str:
    """Where what holds for a scope was set, in a word or two."""
    if not status.applied.scope:
        return "-"
    if not status.has_own:
        return f"← {status.applied.scope}"
    return "thaniya.toml" if status.applied.is_configured else "set here"


def tell_applied(applied: Applied, scope: str) -> str:
    """What holds for a scope, and since where: `keep-daily=7, set for alice`."""
    if not applied.scope:
        return f"{EVERYTHING}: no policy is set"
    where = " in thaniya.toml" if applied.is_configured else ""
    whom = "for all" if applied.scope == DEFAULT_SCOPE else f"for {applied.scope}"
    of_its_own = " itself" if applied.scope == scope and scope != DEFAULT_SCOPE else ""
    return f"{tell_policy(applied.policy)}, set {whom}{of_its_own}{where}"


def count_series(number: int) -> str:
    return f"{number:,} series"


def count_backups(number: int) -> str:
    return f"{number:,} backup{'' if number == 1 else 's'}"


def tell_sums(sums: PlanSums | Totals) -> Text:
    """`keeps 24 of 31, frees 4.1 GiB`."""
    every = sums.kept + sums.removed
    if not every:
        return Text("no backups", "faint")
    if not sums.removed:
        return render.signed(("✓", "good"), f"keeps all {every:,}, removes nothing")
    told = f"keeps {sums.kept:,} of {every:,}, frees {format_size(sums.removed_bytes)}"
    return render.signed(("✗", "caution"), told)


def tell_plan(planned: SeriesPlan) -> Text:
    """The sums of a series' plan, and how many are pinned or broken."""
    line = tell_sums(planned.sums)
    candidates = [decision.candidate for decision in planned.plan.decisions]
    for word, style, number in (
        ("pinned", "accent", sum(each.is_pinned for each in candidates)),
        ("broken", "bad", sum(each.is_broken for each in candidates)),
    ):
        if number:
            line.append(" · ", "faint").append(f"{number:,} {word}", style)
    return line


def tell_totals(totals: Totals) -> Text:
    """The sums of many series."""
    line = tell_sums(totals)
    line.append(" · ", "faint").append(count_series(totals.series))
    if totals.with_removals:
        line.append(f", {totals.with_removals:,} with something to remove")
    return line


def explain(policy: Policy) -> str:
    """What a policy means, for whoever does not know the words by heart."""
    if policy.keeps_everything:
        return "keeps every backup"
    parts = [_explain_count(period, count) for period, count in policy.counts]
    for period, span in policy.within:
        one = "every backup" if period is Period.LAST else _one_a(period)
        parts.append(f"{one} of the last {span}")
    if policy.minimum:
        parts.append(f"never fewer than {policy.minimum:,} good ones")
    return "keeps " + "; ".join(parts)


def _explain_count(period: Period, count: int) -> str:
    if period is Period.LAST:
        return "every backup" if count == ALL_BACKUPS else f"the newest {count:,}"
    if count == ALL_BACKUPS:
        return f"{_one_a(period)} without end"
    return f"{_one_a(period)} for {count:,} {_UNITS[period]}{'s' * (count != 1)}"


def _one_a(period: Period) -> str:
    return f"one {'an' if period is Period.HOURLY else 'a'} {_UNITS[period]}"


def known_words() -> str:
    """What a policy may be made of, as a line."""
    counts = [key for key in POLICY_KEYS if not key.startswith("keep-within") and key.startswith("keep-")]
    shown = " ".join([counts[0], *(key.removeprefix("keep") for key in counts[1:])])
    return f"{shown} = a number or all · keep-within[-daily …] = 7d, 1y6m · minimum = a number"


def complete(text: str) -> str | None:
    """The text with its last word finished, when only one word of the grammar begins so."""
    start = max(text.rfind(" "), text.rfind(",")) + 1
    begun = text[start:]
    if not begun or "=" in begun:
        return None
    fitting = [key for key in POLICY_KEYS if key.startswith(begun)]
    if begun in fitting:
        return f"{text}="
    return f"{text[:start]}{fitting[0]}=" if fitting else None
