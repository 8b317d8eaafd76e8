"""The lower pane: what becomes of the backups of the scope at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll

from thaniya_tui.areas.retention.planning import Preview
from thaniya_tui.areas.retention.rows import DECISION_COLUMNS, SUMS_COLUMNS, decision_rows, sums_rows
from thaniya_tui.areas.retention.showing import Head, draw_days, draw_head
from thaniya_tui.widgets import Lines, Row, SyncedTable


class PlanPane(Vertical):
    """Head lines; of a series the list and the calendar, of many series those with something to remove."""

    def __init__(self, fits: Callable[[Row], bool]) -> None:
        """
        Args:
            fits: whether a row is to be listed.
        """
        super().__init__(classes="pane", id="plan-pane")
        self.border_title = "Plan"
        self._fits = fits
        self.only_removals = False
        """Whether backups that are kept are left out of the list."""

    def compose(self) -> ComposeResult:
        yield Lines(id="plan-head")
        with Horizontal(id="plan-body"):
            yield SyncedTable(DECISION_COLUMNS, id="decisions")
            yield SyncedTable(SUMS_COLUMNS, id="sums")
            with VerticalScroll(id="days-scroll", can_focus=False):
                yield Lines(id="days")

    def show_head(self, head: Head) -> None:
        """Say whose plan it is, and what it comes to."""
        self.query_one("#plan-head", Lines).show(partial(draw_head, head))

    def show_plan(self, preview: Preview | None) -> None:
        """Show a plan; what was there before stays, dimmed, until it has come."""
        self.set_class(preview is None, "-planning")
        if preview is None:
            return
        self.set_class(preview.plan is not None, "-of-series")
        self.border_title = "Plan: removals only" if self.only_removals else "Plan"
        self.query_one("#days", Lines).show(partial(draw_days, preview))
        decisions = decision_rows(preview.plan, only_removals=self.only_removals) if preview.plan else ()
        sums = () if preview.plan else sums_rows(preview.sums, only_removals=self.only_removals)
        self.query_one("#decisions", SyncedTable).show_rows(self._filtered(decisions))
        self.query_one("#sums", SyncedTable).show_rows(self._filtered(sums))

    def _filtered(self, rows: Iterable[Row]) -> Iterator[Row]:
        return (row for row in rows if self._fits(row))

    def focus_list(self) -> None:
        """Give the keys to the list that is shown."""
        self.query_one("#decisions" if self.has_class("-of-series") else "#sums").focus()
