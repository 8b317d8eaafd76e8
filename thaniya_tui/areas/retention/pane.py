"""The lower pane: what becomes of the backups of the scope at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll

from thaniya_tui.areas.retention.planning import Preview
from thaniya_tui.areas.retention.rows import DECISION_COLUMNS, SUMS_COLUMNS, decision_rows, sums_rows
from thaniya_tui.areas.retention.showing import Head, draw_days, draw_head
from thaniya_tui.widgets import Lines, Row, SyncedTable

MOST_LISTED = 200
"""More rows than this would hold up whoever goes from scope to scope; the calendar and the sums are of all."""


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
        self.query_one("#days", Lines).show(partial(draw_days, preview))
        listed, other = ("#decisions", "#sums") if preview.plan is not None else ("#sums", "#decisions")
        rows = list(islice(self._rows(preview), MOST_LISTED + 1))
        self.query_one(listed, SyncedTable).show_rows(rows[:MOST_LISTED])
        self.query_one(other, SyncedTable).show_rows(())
        told = [f"the first {MOST_LISTED}"] if len(rows) > MOST_LISTED else []
        told += ["removals only"] if self.only_removals else []
        self.border_title = f"Plan: {', '.join(told)}" if told else "Plan"

    def _rows(self, preview: Preview) -> Iterator[Row]:
        if preview.plan is not None:
            rows = decision_rows(preview.plan, only_removals=self.only_removals)
        else:
            rows = sums_rows(preview.sums, only_removals=self.only_removals)
        return (row for row in rows if self._fits(row))

    def focus_list(self) -> None:
        """Give the keys to the list that is shown."""
        self.query_one("#decisions" if self.has_class("-of-series") else "#sums").focus()
