"""Removing what policies do not keep, series by series, and what is told of it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.text import Text

from thaniya_core.formats.names import Series
from thaniya_core.formats.quantities import format_size
from thaniya_core.server import Server
from thaniya_core.views import NotPruned, PlanSums
from thaniya_tui import render
from thaniya_tui.areas.retention import words
from thaniya_tui.areas.retention.planning import Preview, Ticket

TYPED = "apply"
"""What one has to type."""


class SeriesOutcome(Struct, frozen=True):
    """What came of a series."""

    expected: PlanSums
    removed: int = 0
    removed_bytes: int = 0
    """As the plan counts them: what is shared with other backups in full."""
    freed_bytes: int = 0
    absent: int = 0
    """To be removed too, but on a volume that is not there now."""
    failure: str = ""

    @property
    def differs(self) -> bool:
        """Whether the plan that was carried out was not the one that had been shown."""
        expected = self.expected
        if self.failure or self.absent:
            return not self.failure and self.removed + self.absent != expected.removed
        return (self.removed, self.removed_bytes) != (expected.removed, expected.removed_bytes)


class Outcome(Struct, frozen=True):
    """What came of all."""

    done: tuple[SeriesOutcome, ...]
    left: int
    """Series that were not reached."""

    @property
    def removed(self) -> int:
        return sum(each.removed for each in self.done)

    @property
    def freed_bytes(self) -> int:
        return sum(each.freed_bytes for each in self.done)

    @property
    def is_plain(self) -> bool:
        """Whether all went as it was shown."""
        return not self.left and not any(each.failure or each.absent or each.differs for each in self.done)


def apply_policies(server: Server, expected: Sequence[PlanSums], actor: str, ticket: Ticket) -> Outcome:
    """Apply the policy of each series; each is planned anew, and one that fails stops no other."""
    try:
        return _apply_policies(server, expected, actor, ticket)
    finally:
        ticket.is_done = True


def _apply_policies(server: Server, expected: Sequence[PlanSums], actor: str, ticket: Ticket) -> Outcome:
    done: list[SeriesOutcome] = []
    ticket.progress = (0, len(expected))
    results = server.retention.apply_each([each.series for each in expected], actor)
    for shown, result in zip(expected, results, strict=True):
        if isinstance(result, NotPruned):
            done.append(SeriesOutcome(shown, failure=str(result.error)))
        else:
            removed_bytes = sum(backup.document.stored_bytes for backup in result.removed)
            done.append(
                SeriesOutcome(shown, len(result.removed), removed_bytes, result.freed_bytes, len(result.absent))
            )
        ticket.progress = (len(done), len(expected))
        if ticket.is_stopped:
            break
    return Outcome(tuple(done), len(expected) - len(done))


def tell_question(preview: Preview) -> Text:
    """What is about to be removed."""
    totals = words.add_up(preview.sums)
    every = totals.kept + totals.removed
    text = Text()
    if preview.plan is not None:
        text.append(render.foreign(preview.target.scope).plain, "strong").append("\n")
        text.append(render.paragraph(words.tell_applied(preview.plan.applied, preview.target.scope)).plain, "faint")
    else:
        text.append(render.foreign(preview.target.scope).plain, "strong")
        text.append(f": {totals.with_removals:,} of {words.count_series(totals.series)}")
    text.append("\n\nRemoves ").append(words.count_backups(totals.removed), "bad")
    text.append(f" of {every:,} and frees at most ").append(format_size(totals.removed_bytes), "bad")
    text.append(".\nEach series is planned anew before anything goes. What is removed cannot be brought back.")
    return text


def tell_shortly(outcome: Outcome) -> str:
    """A line for a toast."""
    told = f"{words.count_backups(outcome.removed)} removed, {format_size(outcome.freed_bytes)} freed"
    return told if outcome.is_plain else ""


def tell_outcome(outcome: Outcome) -> Text:
    """What did not go as it was shown, series by series."""
    removed, freed = words.count_backups(outcome.removed), format_size(outcome.freed_bytes)
    text = Text.assemble((f"{removed} removed, {freed} freed, in {words.count_series(len(outcome.done))}.", "strong"))
    if outcome.left:
        text.append(
            f"\nStopped: {words.count_series(outcome.left)} not reached, nothing of them was removed.", "caution"
        )
    for each in outcome.done:
        if each.failure:
            _append(text, "✗", "bad", each.expected.series, each.failure)
        if each.absent:
            what = f"{words.count_backups(each.absent)} to be removed too, but their volume is not there"
            _append(text, "!", "caution", each.expected.series, what)
        if each.differs:
            shown = each.expected
            what = (
                f"shown were {shown.removed:,} to remove, {format_size(shown.removed_bytes)}; "
                f"removed are {each.removed:,}, {format_size(each.removed_bytes)}: it changed in between"
            )
            _append(text, "!", "caution", each.expected.series, what)
    return text


def _append(text: Text, sign: str, style: str, series: Series, what: str) -> None:
    text.append("\n\n").append(sign, style).append(" ").append_text(render.foreign(series, "strong"))
    text.append("\n  ").append_text(render.paragraph(what))
