"""An area: one of the console's screens, which a number key leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Key
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Static

from thaniya_core.server import Server
from thaniya_core.views import Live, Survey
from thaniya_tui import render, themes
from thaniya_tui.widgets import FilterBar, StatusLine, SyncedTable

if TYPE_CHECKING:
    from thaniya_tui.app import Console


class Area(Screen[None]):
    """What all areas share: the status line, the filter, greyed actions that say why, and being brought up to date.

    An area lays out and binds. What it shows is computed by pure functions, from values that were read in a thread.
    """

    MODE: ClassVar[str]
    NAME: ClassVar[str]
    WHAT: ClassVar[str]
    """What it is for, in a sentence or two: the head of its help."""
    CHANGES: ClassVar[frozenset[str]] = frozenset()
    """The actions that change something: greyed where the console may only look."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", id="area.filter", show=False),
        Binding("r", "refresh", "Refresh", id="area.refresh", show=False),
        Binding("y", "copy", "Copy", id="area.copy", show=False),
        Binding("escape", "back", "Back", id="area.back", show=False),
    ]

    @property
    def console(self) -> Console:
        """The application."""
        return cast("Console", self.app)

    @property
    def server(self) -> Server:
        """The server that is shown; asked in threads only."""
        return self.console.server

    def compose(self) -> ComposeResult:
        yield self.console.make_status_line(self.MODE)
        with Container(id="body"):
            yield from self.compose_area()
        yield Static("at least 60 × 20 are needed here:\nmake the window larger", id="too-small")
        yield FilterBar()
        yield Footer(show_command_palette=False, compact=True)

    def compose_area(self) -> ComposeResult:
        """What is between status line and footer."""
        yield from ()

    # What is shown.

    def show_live(self, live: Live) -> None:
        """Show what moves; called after each look while the area is in front and not paused."""

    def show_survey(self, survey: Survey) -> None:
        """Show what takes longer to gather; called when there is news, and when the area comes to the front."""

    def refresh_area(self) -> None:
        """Read anew what this area alone shows."""

    _drawn_theme = ""

    def on_screen_resume(self) -> None:
        """Show what was read while another area was in front, in the colours of now."""
        if self._drawn_theme not in ("", self.console.theme):
            themes.draw_anew(self)
        self._drawn_theme = self.console.theme
        self.console.bring_up_to_date(self)
        self.refresh_area()

    # The filter.

    filter_text: str = ""
    """What rows must contain, in lower case."""

    def show_filtered(self) -> None:
        """Show again what was read last, as the filter wants it."""

    def action_filter(self) -> None:
        """Open the filter."""
        self.query_one(FilterBar).open()

    def on_filter_bar_wanted(self, event: FilterBar.Wanted) -> None:
        event.stop()
        self.filter_text = event.text.strip().lower()
        for table in self.query(SyncedTable):
            table.is_filtered = bool(self.filter_text)
        self.show_filtered()

    def on_filter_bar_left(self, event: FilterBar.Left) -> None:
        event.stop()
        self.focus_main()

    def fits_filter(self, *texts: object) -> bool:
        """Whether one of the texts contains what is filtered for."""
        return not self.filter_text or any(self.filter_text in str(text).lower() for text in texts)

    # Keys.

    def focus_main(self) -> None:
        """Give the keys to what they are mostly for."""
        tables = self.query(SyncedTable)
        if tables:
            tables.first().focus()

    def why_not(self, action: str) -> str:
        """Why an action is not possible now; empty when it is. Areas say more than this."""
        return ""

    def _why_not(self, action: str) -> str:
        if action in self.CHANGES and self.console.is_read_only:
            return "the console may only look (--read-only)"
        return self.why_not(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what is not possible."""
        return None if self._why_not(action) else True

    def on_key(self, event: Key) -> None:
        """Say why a greyed key does nothing."""
        active = self.active_bindings.get(event.key)
        if active is not None and active.node is self and (why := self._why_not(active.binding.action)):
            event.stop()
            self.tell(f"{active.binding.description}: {why}", is_warning=True)

    _greyed: tuple[bool, ...] | None = None

    def refresh_footer(self) -> None:
        """Draw the footer anew when another action has become possible or impossible, and only then."""
        greyed = tuple(bool(self._why_not(binding.action)) for _, binding in self._bindings)
        if greyed != self._greyed:
            self._greyed = greyed
            self.refresh_bindings()

    async def try_action(self, action: str) -> None:
        """Do what a key does, or say why that is not possible now."""
        if why := self._why_not(action):
            self.tell(why, is_warning=True)
        else:
            await self.run_action(action)

    def known_keys(self) -> list[list[tuple[str, Binding, str]]]:
        """The keys that work here: the area's own, those of what has the focus, and those that work everywhere.

        Each with the key as it is shown, its binding, and why it is not possible now.
        """
        own: list[tuple[str, Binding, str]] = []
        focused: list[tuple[str, Binding, str]] = []
        everywhere: list[tuple[str, Binding, str]] = []
        shared = {binding.id for binding in Binding.make_bindings(Area.BINDINGS)}
        for node, binding, _, _ in self.active_bindings.values():
            if binding.id is None:
                continue  # Textual's own
            which = focused if node not in (self, self.console) else everywhere
            if node is self and binding.id not in shared:
                which = own
            which.append((self.console.get_key_display(binding), binding, self._why_not(binding.action)))
        return [group for group in (own, focused, everywhere) if group]

    def action_refresh(self) -> None:
        """Read everything anew."""
        self.console.refresh_all()
        self.refresh_area()

    def action_back(self) -> None:
        """Take the filter away, then the marks."""
        bar = self.query_one(FilterBar)
        if bar.display:
            bar.action_drop()
            return
        focused = self.focused
        if isinstance(focused, SyncedTable) and focused.marked:
            focused.clear_marks()

    def action_copy(self) -> None:
        """Put what `y` is for here into the terminal's clipboard."""
        text = self.copied_text(self.focused)
        if text:
            self.console.copy_to_clipboard(text)
            self.tell(f"copied: {text}")
        else:
            self.tell("there is nothing under the cursor to copy", is_warning=True)

    def copied_text(self, focused: Widget | None) -> str:
        """What `y` copies: the id or name of what the cursor is on."""
        return (focused.cursor_key or "") if isinstance(focused, SyncedTable) else ""

    def on_data_table_row_highlighted(self) -> None:
        """Another row may allow other actions."""
        self.refresh_footer()

    def on_synced_table_marked(self) -> None:
        """Marked rows may allow other actions."""
        self.refresh_footer()

    def tell(self, text: str, *, is_warning: bool = False) -> None:
        """A toast."""
        self.console.notify(
            render.foreign(text).plain, markup=False, severity="warning" if is_warning else "information"
        )

    def status_line(self) -> StatusLine:
        """The first line."""
        return self.query_one(StatusLine)
