"""Lines with a cursor, of which only those that can be seen are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

DrawLine = Callable[[int, int], Text]
"""Gives the line of a number for a width in cells."""


class LineList(ScrollView, can_focus=True):
    """As many lines as one likes; each is drawn by a pure function when it is seen."""

    DEFAULT_CSS = """
    LineList { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    LineList > .line-list--cursor { background: $primary 20%; }
    LineList:focus > .line-list--cursor { background: $primary 40%; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-list--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="list.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="list.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="list.page_down"),
        Binding("home,g", "move_to(0)", "First", show=False, id="list.first"),
        Binding("end,G", "move_to(-1)", "Last", show=False, id="list.last"),
    ]

    class Clicked(Message):
        """A line was clicked twice."""

    def __init__(self, empty: str, *, id: str | None = None) -> None:
        """
        Args:
            empty: said where there is no line.
        """
        super().__init__(id=id)
        self._empty = empty
        self._waits = True
        self._draw: DrawLine = lambda number, width: Text()
        self._count = 0
        self._cursor = 0

    @property
    def cursor(self) -> int | None:
        """The number of the line under the cursor; None while there is no line."""
        return self._cursor if self._count else None

    def show(self, count: int, draw: DrawLine) -> None:
        """Show so many lines; the cursor stays where it is."""
        self._count, self._draw, self._waits = count, draw, False
        self._cursor = min(self._cursor, max(count - 1, 0))
        self._lay_out()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line that is seen at this height."""
        number, width = y + self.scroll_offset.y, self._width
        style = self.rich_style
        if number >= self._count:
            words = "looking …" if self._waits else self._empty
            line = Text.assemble((words if not self._count and y == 0 else "", "faint"))
        else:
            line = self._draw(number, width)
            if number == self._cursor:
                style += self.get_component_rich_style("line-list--cursor")
        strip = Strip(list(line.render(self.app.console)))
        return strip.adjust_cell_length(width).apply_style(style)

    def on_resize(self) -> None:
        self._lay_out()

    @property
    def _width(self) -> int:
        """What the scrollbar leaves."""
        return self.scrollable_content_region.width

    def _lay_out(self) -> None:
        self.virtual_size = Size(self._width, max(self._count, 1))

    def on_click(self, event: Click) -> None:
        event.stop()
        self.action_move_to(min(event.y + self.scroll_offset.y, self._count - 1))
        if event.chain == 2:
            self.post_message(self.Clicked())

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.action_move_to(min(max(self._cursor + by, 0), self._count - 1))

    def action_page(self, by: int) -> None:
        """Move the cursor by what can be seen."""
        self.action_move(by * max(self.size.height - 1, 1))

    def action_move_to(self, number: int) -> None:
        """Put the cursor on a line; a negative number counts from the end."""
        if self._count:
            self._cursor = number % self._count
            self.scroll_to_region(Region(0, self._cursor, self._width, 1), animate=False, force=True)
            self.refresh()
