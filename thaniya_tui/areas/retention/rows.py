"""The rows of the area's tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.text import Text

from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Backup
from thaniya_core.views import DEFAULT_SCOPE, Decision, PlanSums, ScopeStatus, SeriesPlan
from thaniya_tui import render
from thaniya_tui.areas.retention import words
from thaniya_tui.widgets import Column, Row

SCOPE_COLUMNS = (
    Column("scope", "scope", 22, grows=True),
    Column("policy", "keeps", 13, grows=True),
    Column("source", "set", 12, from_width=52),
    Column("held", "series", 7, is_right=True, from_width=70),
)

DECISION_COLUMNS = (
    Column("verdict", "", 8),
    Column("at", "time", 16),
    Column("size", "stored", 9, is_right=True),
    Column("reasons", "why", 14, grows=True),
    Column("tags", "tags", 16, from_width=96),
    Column("id", "id", 23, from_width=130),
)

SUMS_COLUMNS = (
    Column("series", "series", 20, grows=True),
    Column("kept", "keeps", 7, is_right=True),
    Column("removed", "removes", 7, is_right=True),
    Column("freed", "frees", 10, is_right=True),
)

_KEEP = ("✓", "good")
_REMOVE = ("✗", "caution")


def scope_rows(scopes: Iterable[ScopeStatus]) -> Iterator[Row]:
    """A row a scope: the default, users, and under each user the series."""
    for each in scopes:
        name = render.foreign(each.scope)
        if each.is_series:
            name = Text("  ").append_text(name)
        elif each.scope != DEFAULT_SCOPE:
            name.stylize("strong")
        style = "" if each.has_own else "faint"
        source = render.foreign(words.tell_source(each), style or "accent")
        held = Text("") if each.is_series else render.number(each.held)
        yield Row(each.scope, (name, _policy_cell(each, style), source, held))


def _policy_cell(each: ScopeStatus, style: str) -> Text:
    if each.applied.policy.keeps_everything:
        return Text(words.EVERYTHING, style if each.applied.scope else "caution")
    return render.foreign(str(each.applied.policy).replace("keep-", ""), style)


def decision_rows(planned: SeriesPlan, *, only_removals: bool = False) -> Iterator[Row]:
    """A row a backup, the newest first."""
    for decision in planned.plan.removed if only_removals else planned.plan.decisions:
        backup = planned.backups[decision.candidate.id]
        yield Row(
            backup.id,
            (
                verdict(decision),
                minute(decision.candidate.at),
                render.size(backup.document.stored_bytes),
                _reasons(decision),
                render.foreign(", ".join(backup.notes.tags), "accent"),
                render.foreign(backup.id, "faint"),
            ),
        )


def verdict(decision: Decision) -> Text:
    """Keep or remove, in a sign, a word and a colour."""
    return render.signed(_KEEP, "keep") if decision.keep else render.signed(_REMOVE, "remove")


def minute(at: datetime) -> Text:
    """A time of the server, local, to the minute."""
    return Text(at.astimezone().strftime("%Y-%m-%d %H:%M"))


def _reasons(decision: Decision) -> Text:
    candidate = decision.candidate
    style = "bad" if candidate.is_broken else "accent" if candidate.is_pinned else "" if decision.keep else "faint"
    return render.foreign(", ".join(decision.reasons), style)


def sums_rows(sums: Iterable[PlanSums], *, only_removals: bool = False) -> Iterator[Row]:
    """A row a series, what frees most first."""
    for each in sorted(sums, key=lambda each: (-each.removed_bytes, -each.removed, each.series)):
        style = "caution" if each.removed else "faint"
        if each.removed or not only_removals:
            yield Row(
                str(each.series),
                (
                    render.foreign(each.series, "" if each.removed else "faint"),
                    render.number(each.kept),
                    Text(f"{each.removed:,}", style),
                    Text(format_size(each.removed_bytes) if each.removed else "-", style),
                ),
            )


def tell_backup(planned: SeriesPlan | None, backup_id: str) -> Text | None:
    """All there is to say of what becomes of a backup; None when the plan does not know it."""
    decisions = planned.plan.decisions if planned is not None else ()
    decision = next((each for each in decisions if each.candidate.id == backup_id), None)
    return None if planned is None or decision is None else _tell_decision(decision, planned.backups[backup_id])


def _tell_decision(decision: Decision, backup: Backup) -> Text:
    text = Text.assemble(verdict(decision), "\n\n")
    for reason in decision.reasons:
        text.append("  · ").append_text(render.foreign(reason)).append("\n")
    facts = [
        ("id", backup.id),
        ("time", render.moment(backup.document.created_at).plain),
        ("stored", format_size(backup.document.stored_bytes)),
        ("pinned", "yes" if backup.notes.pinned else ""),
        ("tags", ", ".join(backup.notes.tags)),
        ("needs", backup.document.parent or ""),
        ("broken", backup.broken),
    ]
    for name, value in facts:
        if value:
            text.append(f"\n{name:<8}", "faint").append_text(render.paragraph(value))
    return text
