"""The eighth area: who did what, when, with what result."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from thaniya_core.model import Event
from thaniya_core.views import Live, LogPlace
from thaniya_tui.area import Area
from thaniya_tui.areas.log.reading import Page, Wanted, read_on
from thaniya_tui.areas.log.rows import (
    LOG_COLUMNS,
    describe_event,
    key_of,
    line_of,
    log_rows,
    subtitle_of,
    title_of,
)
from thaniya_tui.areas.log.table import FollowTable
from thaniya_tui.dialogs import Ask, Field, Reading
from thaniya_tui.reader import Reader
from thaniya_tui.widgets import FilterBar

_LOOK_S = 1.0


class LogArea(Area):
    """The audit log page by page, the newest event last."""

    MODE = "log"
    NAME = "Log"
    WHAT = "The audit log: who did what, when, with what result. The newest is last; what comes is shown as it comes."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "read", "Read", id="log.read", tooltip="all about an event", show=False),
        Binding("f", "follow", "Follow", id="log.follow", tooltip="show what comes, or stay where it is"),
        Binding("x", "failures", "Failures", id="log.failures", tooltip="failures only, or everything"),
        Binding("u", "who", "Who", id="log.who", tooltip="events of one user or actor only"),
        Binding("a", "action", "Action", id="log.action", tooltip="one kind of events only, such as upload."),
        Binding("o", "older", "Older", id="log.older", tooltip="the page before this one"),
        Binding("n", "newer", "Newer", id="log.newer", tooltip="back to the page after this one"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._page = Page()
        self._shown: Page | None = None
        self._newer: list[LogPlace | None] = []
        """Where the pages end that come after this one, the newest page first."""
        self._goes_to_top = False
        self._reader = Reader(self, "the log", self._read_on, self._take, self.console.fail_reading, _LOOK_S)

    def compose_area(self) -> ComposeResult:
        with Vertical(classes="pane", id="log-pane"):
            yield Static(id="log-empty", classes="empty")
            yield FollowTable(LOG_COLUMNS, id="log")

    def on_mount(self) -> None:
        self._reader.start()
        self.focus_main()

    # What is shown.

    @property
    def _table(self) -> FollowTable:
        return self.query_one(FollowTable)

    def show_live(self, live: Live) -> None:
        """Show what was read while nothing was to be repainted."""
        self._show_page()

    def refresh_area(self) -> None:
        self._reader.ask_soon()

    def _read_on(self) -> Page:
        return read_on(self.server, self._page)

    def _take(self, page: Page) -> None:
        if (page.wanted, page.until) != (self._page.wanted, self._page.until):
            return  # another page is wanted meanwhile
        self._page = page
        if not page.is_whole and self.is_current:
            self._reader.ask_soon()
        if self.is_current and not self.console.is_paused:
            self._show_page()

    def _show_page(self) -> None:
        page, table = self._page, self._table
        if page is self._shown:
            return
        if self._shown is None or page.events != self._shown.events:
            table.show_rows(log_rows(page.events))
        self._shown = page
        if page.is_whole and self._goes_to_top:
            self._goes_to_top = False
            table.move_cursor(row=0, animate=False)
        empty = self.query_one("#log-empty", Static)
        empty.display = page.is_whole and not page.events
        empty.update("no event fits: press esc to see all" if page.wanted != Wanted() else "nothing has happened yet")
        self._show_titles()
        self.refresh_footer()

    def _show_titles(self) -> None:
        pane = self.query_one("#log-pane")
        pane.border_title = title_of(self._page, is_following=self._table.is_following)
        pane.border_subtitle = subtitle_of(self._page)

    def on_follow_table_left(self) -> None:
        """Say that it follows no more."""
        self._show_titles()

    # Which page.

    def _want(self, wanted: Wanted, until: LogPlace | None = None, *, is_following: bool = False) -> None:
        """Read another page, from its end on."""
        self._page = Page(wanted, until)
        self._table.follow(is_following)
        self._show_titles()
        self._reader.ask_soon()

    def _want_newest(self, wanted: Wanted) -> None:
        self._newer.clear()
        self._goes_to_top = False
        if wanted != self._page.wanted or self._page.until is not None:
            self._want(wanted, is_following=True)

    def show_filtered(self) -> None:
        self._want_newest(replace(self._page.wanted, text=self.filter_text))

    def action_follow(self) -> None:
        """Follow, from the newest page on, or stay."""
        if self._page.until is not None:
            self._want_newest(self._page.wanted)
        else:
            self._table.follow(not self._table.is_following)
            self._show_titles()

    def action_failures(self) -> None:
        """Show failures only, or everything."""
        self._want_newest(replace(self._page.wanted, failures_only=not self._page.wanted.failures_only))

    def action_who(self) -> None:
        """Ask whose events are to be shown; that of the row stands there already."""
        event = self._chosen()
        value = self._page.wanted.who or (event.actor.partition("@")[0] if event is not None else "")
        field = Field("who", "User or actor; empty for all", value)
        self.console.push_screen(Ask("Events of whom?", [field], "Show"), self._take_filter)

    def action_action(self) -> None:
        """Ask which kind of events is to be shown; that of the row stands there already."""
        event = self._chosen()
        value = self._page.wanted.action or (event.action.partition(".")[0] + "." if event is not None else "")
        field = Field("action", "The action begins with; empty for all", value, "upload.")
        self.console.push_screen(Ask("Which kind of events?", [field], "Show"), self._take_filter)

    def _take_filter(self, given: dict[str, str] | None) -> None:
        if given is not None:
            self._want_newest(replace(self._page.wanted, **given))

    def action_back(self) -> None:
        """Take the filters away."""
        if self.query_one(FilterBar).display:
            super().action_back()
        else:
            self._want_newest(Wanted())

    def action_older(self) -> None:
        """Show the page before this one."""
        page = self._page
        self._newer.append(page.until)
        self._goes_to_top = False
        self._want(page.wanted, page.before, is_following=True)  # its end is next to what was seen last

    def action_newer(self) -> None:
        """Show the page after this one."""
        until = self._newer.pop()
        self._goes_to_top = True
        self._want(self._page.wanted, until)

    def why_not(self, action: str) -> str:
        """Why there is no other page."""
        if action == "newer" and not self._newer:
            return "this is the newest page"
        if action == "older" and self._page.before is None:
            return "this is the beginning of the log" if self._page.is_first else "it is being read still"
        return ""

    # The event at hand.

    def _chosen(self) -> Event | None:
        key = self._table.cursor_key
        return next((each.event for each in self._page.events if key_of(each) == key), None)

    def on_data_table_row_selected(self) -> None:
        """Enter on a row."""
        self.action_read()

    def action_read(self) -> None:
        """Show all about an event."""
        if (event := self._chosen()) is not None:
            self.console.push_screen(Reading("An event of the audit log", describe_event(event)))

    def copied_text(self, focused: Widget | None) -> str:
        """The event in one line."""
        event = self._chosen()
        return "" if event is None else line_of(event)
