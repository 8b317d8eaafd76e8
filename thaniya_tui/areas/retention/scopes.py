"""The upper pane: the default, the users and the series, each with the policy that holds for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.app import ComposeResult
from textual.containers import Vertical

from thaniya_core.views import ScopeStatus
from thaniya_tui.areas.retention.rows import SCOPE_COLUMNS, scope_rows
from thaniya_tui.widgets import Row, SyncedTable

MOST_LISTED = 400
"""To fill more rows than this at once would be felt; the filter finds the others."""


class ScopesPane(Vertical):
    """The table of scopes."""

    def __init__(self, fits: Callable[[Row], bool]) -> None:
        """
        Args:
            fits: whether a row is to be listed.
        """
        super().__init__(classes="pane", id="scopes-pane")
        self._fits = fits
        self._wanted = ""
        self._gone_to = ""
        self.statuses: Mapping[str, ScopeStatus] = {}
        """By scope, in their order: what was read last."""

    def compose(self) -> ComposeResult:
        yield SyncedTable(SCOPE_COLUMNS, id="scopes")

    @property
    def _table(self) -> SyncedTable:
        return self.query_one(SyncedTable)

    @property
    def chosen(self) -> ScopeStatus | None:
        """The scope that the cursor is on."""
        key = self._table.cursor_key if self.is_mounted else None
        return None if key is None else self.statuses.get(key)

    def show_scopes(self) -> None:
        """Show what was read last, as the filter wants it."""
        rows = [row for row in scope_rows(self.statuses.values()) if self._fits(row)]
        self.border_title = f"Policies: {MOST_LISTED:,} of {len(rows):,}" if len(rows) > MOST_LISTED else "Policies"
        gone_to = [row for row in rows[MOST_LISTED:] if row.key == self._gone_to]
        self._table.show_rows([*rows[:MOST_LISTED], *gone_to])
        self._go()

    def go_to(self, scope: str) -> None:
        """Put the cursor on a scope, as soon as it has been read."""
        self._wanted = scope
        self._go()

    def _go(self) -> None:
        scope = self._wanted
        if scope in self.statuses:
            self._wanted = ""
            if not self._table.move_to(scope):
                self._gone_to = scope  # it stands behind those that are listed
                self.show_scopes()
                self._table.move_to(scope)
            self._table.focus()

    def show_cursor(self) -> None:
        """Scroll to the cursor."""
        self._table.move_cursor(row=self._table.cursor_row, animate=False)

    def focus_list(self) -> None:
        """Give the keys to the table."""
        self._table.focus()
