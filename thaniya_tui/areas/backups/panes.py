"""The right side: the backups of the series that is chosen in the tree, and what is known of one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import DataTable

from thaniya_core.formats.names import Series
from thaniya_core.model import Backup
from thaniya_tui import render
from thaniya_tui.areas.backups.branches import Branch, draw_summary
from thaniya_tui.areas.backups.details import Facts, Place, draw_details, look_at
from thaniya_tui.areas.backups.rows import COLUMNS, Seen, backup_rows, texts_of, told
from thaniya_tui.reader import Reader
from thaniya_tui.widgets import MOST_ROWS, Lines, SyncedTable

if TYPE_CHECKING:
    from thaniya_tui.app import Console


class SeriesPanes(Vertical):
    """Reads the backups of one series, and where the one under the cursor lies; both in threads."""

    def __init__(self, console: Console, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._thaniya = console
        self._series: Series | None = None
        self.seen: Seen | None = None
        """What was read of the series; None until it was."""
        self._place: Place | None = None
        self._coming = 0
        self._fits: Callable[..., bool] = lambda *texts: True
        self._series_reader = Reader(self, "backups", self._read_series, self._take_series, console.fail_reading, None)
        self._place_reader = Reader(self, "a backup", self._read_place, self._take_place, console.fail_reading, None)

    def compose(self) -> ComposeResult:
        with Vertical(classes="pane", id="backups-pane") as pane:
            pane.border_title = "Backups"
            yield SyncedTable(COLUMNS, id="backups", can_mark=True)
        with VerticalScroll(classes="pane", id="details-pane") as pane:
            pane.border_title = "Backup"
            yield Lines(id="details")

    def on_mount(self) -> None:
        self._show_lines("Backup", lambda width: [Text.assemble(("looking …", "faint"))])
        self._series_reader.start()
        self._place_reader.start()

    @property
    def table(self) -> SyncedTable:
        """The backups."""
        return self.query_one("#backups", SyncedTable)

    @property
    def place(self) -> Place | None:
        """Where the backup under the cursor lies; None until that is known."""
        backup = self.at_cursor
        return self._place if backup and self._place and self._place.backup_id == backup.id else None

    @property
    def at_cursor(self) -> Backup | None:
        """The backup under the cursor."""
        return self.seen.get(self.table.cursor_key) if self.seen is not None and self.is_mounted else None

    @property
    def chosen(self) -> list[Backup]:
        """The marked backups, or the one under the cursor."""
        if self.seen is None or not self.is_mounted:
            return []
        keys = set(self.table.chosen_keys)
        return [backup for backup in self.seen.backups if backup.id in keys]

    # What is chosen in the tree.

    def show_branch(self, branch: Branch | None) -> None:
        """Show the backups of a series, or what is below a user or host; None for nothing to show."""
        series = Series(*branch.key.split("/")) if branch is not None and branch.is_series else None
        self._coming = branch.coming if branch is not None else 0
        if series is not None and series == self._series:
            self._tell()
            return
        self._series, self.seen, self._place = series, None, None
        self.table.clear_marks()
        self.table.show_rows(())
        pane = self.query_one("#backups-pane")
        pane.border_title = render.foreign("Backups" if series is None else f"Backups of {series}")
        pane.border_subtitle = "reading …" if series is not None else ""
        if branch is not None and series is None:
            self._show_lines(branch.name, partial(draw_summary, branch))
        elif branch is None:
            self._show_lines("Backup", lambda width: [render.paragraph(_EMPTY, "faint")])
        else:
            self._show_lines("Backup", lambda width: ())
        self._series_reader.ask_soon()

    def refresh_series(self) -> None:
        """Read the backups of the series anew."""
        self._series_reader.ask_soon()

    def filter(self, fits: Callable[..., bool]) -> None:
        """Show only the backups that fit."""
        self._fits = fits
        self._show_rows()

    # Reading.

    def _read_series(self) -> Seen | None:
        series = self._series
        if series is None:
            return None
        backups = self._thaniya.server.catalog.of_series(series)
        return Seen(series, tuple(backups[:MOST_ROWS]), len(backups))

    def _take_series(self, seen: Seen | None) -> None:
        if seen is not None and seen.series == self._series:  # another one may have been chosen meanwhile
            self.seen = seen
            self._show_rows()

    def _show_rows(self) -> None:
        if self.seen is None:
            return
        fitting = (backup for backup in self.seen.backups if self._fits(*texts_of(backup)))
        self.table.show_rows(backup_rows(fitting, self._thaniya.now))
        self._tell()
        self._show_details()
        self._place_reader.ask_soon()

    def _tell(self) -> None:
        if self.seen is not None:
            pane = self.query_one("#backups-pane")
            pane.border_subtitle = told(self.seen, self.table.shown_count, self._coming)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        if self.seen is not None:
            self._show_details()
            self._place_reader.ask_soon()
            self.screen.refresh_bindings()

    def _read_place(self) -> Place | None:
        backup = self._wanted
        return look_at(self._thaniya.server, backup) if backup is not None else None

    def _take_place(self, place: Place | None) -> None:
        self._place = place
        if place is not None:
            self._show_details()

    _wanted: Backup | None = None
    """Whose place is looked for: the reader must not ask the table, which belongs to the event loop."""

    def _show_details(self) -> None:
        self._wanted = self.at_cursor
        facts = self.facts()
        if facts is not None:
            self._show_lines("Backup", partial(draw_details, facts))
        elif self.seen is not None:
            words = "no backup fits" if self.seen.backups else "no backup yet: the first one is on its way"
            self._show_lines("Backup", lambda width: [render.foreign(words, "faint")])

    def facts(self) -> Facts | None:
        """What is known of the backup under the cursor."""
        backup = self.at_cursor
        if backup is None or self.seen is None:
            return None
        live = self._thaniya.live
        volumes = {volume.id: volume for volume in live.volumes} if live is not None else {}
        return Facts(backup, self.seen, self.place, volumes.get(backup.volume), self._thaniya.now)

    def _show_lines(self, title: str, draw: Callable[[int], Sequence[Text]]) -> None:
        self.query_one("#details-pane").border_title = render.foreign(title)
        self.query_one("#details", Lines).show(draw)


_EMPTY = "no backups yet: `thaniya user add` lets somebody make some"
