"""The third area: the backups of every series, and what is inside."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Tree

from thaniya_core.formats.names import Series
from thaniya_core.views import Live, Survey
from thaniya_tui.areas.backups import branches as grown
from thaniya_tui.areas.backups.actions import CHANGES, KEYS, BackupActions
from thaniya_tui.areas.backups.panes import SeriesPanes
from thaniya_tui.areas.backups.tree import SeriesTree
from thaniya_tui.widgets import FilterBar, Lines

_OPEN_FIRST = 30
"""So many series are seen at the beginning without a key."""

_LOOK_AGAIN_S = 5.0

_OPEN_FOUND = 200
"""So many that fit the filter."""


class BackupsArea(BackupActions):
    """A tree of series, the backups of one, and what is known of the backup under the cursor."""

    MODE = "backups"
    NAME = "Backups"
    WHAT = "Which backups there are of each series, what is known of them, what is inside; restoring it."
    CHANGES = CHANGES

    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self) -> None:
        super().__init__()
        self._branches: tuple[grown.Branch, ...] = ()
        self._coming: dict[Series, int] = {}
        self._wanted_key: str | None = None
        self._opened_before: frozenset[str] | None = None
        self._filters_backups = False

    def compose_area(self) -> ComposeResult:
        with Horizontal(id="backups-body"):
            with Vertical(classes="pane", id="tree-pane") as pane:
                pane.border_title = "Series"
                yield SeriesTree(id="series-tree")
            with Vertical(id="backups-right"):
                yield SeriesPanes(self.console, id="series-panes")
                yield Lines(id="works")

    def on_mount(self) -> None:
        self.tree_of_series.focus()
        self.set_interval(0.5, self.show_works)
        self.set_interval(_LOOK_AGAIN_S, self._look_again)

    @property
    def tree_of_series(self) -> SeriesTree:
        return self.query_one("#series-tree", SeriesTree)

    # What is shown.

    def show_live(self, live: Live) -> None:
        """Mark the series that something comes in of; when it has come, read what is there now."""
        coming = grown.coming_in(live.uploads)
        if coming != self._coming:
            self._coming = coming
            self._show_tree()
            self.panes.refresh_series()

    def show_survey(self, survey: Survey) -> None:
        """Grow the tree of what was found."""
        self._show_tree()

    def refresh_area(self) -> None:
        self.panes.refresh_series()

    def _look_again(self) -> None:
        """See what other programs have done to the backups, and what came in so quickly that nobody saw it come."""
        if self.is_current and not self.console.is_paused:
            self.panes.refresh_series()

    def _show_tree(self) -> None:
        survey = self.console.survey
        if survey is None:
            return
        is_first = not self._branches
        self._branches = grown.grow(survey.series, self._coming)
        opened = grown.open_first(self._branches, _OPEN_FIRST) if is_first else None
        self.tree_of_series.show(self._fitting(), opened)
        if is_first:
            self._wanted_key = self._wanted_key or next(
                (b.key for b in grown.walk(self._branches) if b.is_series), None
            )
        if self._wanted_key is not None and self.tree_of_series.reveal(self._wanted_key):
            self._wanted_key = None
        self._show_branch()

    def _fitting(self) -> tuple[grown.Branch, ...]:
        return self._branches if self._filters_backups else grown.prune(self._branches, self.fits_filter)

    def _show_branch(self) -> None:
        key = self.tree_of_series.cursor_key
        self.panes.show_branch(grown.find(self._branches, key) if key is not None else None)
        self.refresh_footer()

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[str]) -> None:
        event.stop()
        self._show_branch()

    def on_tree_node_selected(self, event: Tree.NodeSelected[str]) -> None:
        """Open a branch; go from a series to its backups."""
        event.stop()
        if event.node.allow_expand:
            event.node.toggle()
        else:
            self.panes.table.focus()

    def show_series(self, key: str) -> None:
        """Put the cursor on a series, and go to its backups."""
        bar = self.query_one(FilterBar)
        if bar.display:
            bar.action_drop()
        self._wanted_key = key
        self._show_tree()
        self.call_after_refresh(self.panes.table.focus)

    def action_back(self) -> None:
        """Take the filter away, then the marks; then go back to the tree."""
        table = self.panes.table
        is_done = not self.query_one(FilterBar).display and not (table.has_focus and table.marked)
        super().action_back()
        if is_done:
            self.tree_of_series.focus()

    # The filter: of series, or of the backups where these have the keys.

    def action_filter(self) -> None:
        """Find series; with the cursor in the table: backups, by time, id, tag or state."""
        bar = self.query_one(FilterBar)
        if not bar.value:
            self._filters_backups = self.panes.table.has_focus
        bar.placeholder = (
            "backups whose time, id, tags or state contain …" if self._filters_backups else "series that contain …"
        )
        bar.open()

    def show_filtered(self) -> None:
        if self._filters_backups:
            self.panes.filter(self.fits_filter)
            return
        if self.filter_text and self._opened_before is None:
            self._opened_before = self.tree_of_series.opened
        fitting = self._fitting()
        if self.filter_text:
            self.tree_of_series.show(fitting, grown.open_first(fitting, _OPEN_FOUND))
            found = grown.series_of(fitting)
            if found and self.tree_of_series.cursor_key not in found:
                self.tree_of_series.reveal(found[0])
        else:
            key = self.tree_of_series.cursor_key
            before = self._opened_before or self.tree_of_series.opened
            self._opened_before = None
            self.tree_of_series.show(fitting, before | (grown.way_to(key) if key else frozenset()))
        self._show_branch()

    def focus_main(self) -> None:
        """The keys go to what was filtered."""
        (self.panes.table if self._filters_backups else self.tree_of_series).focus()
