"""Lines of text that are drawn for the width there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.segment import Segment
from rich.text import Text
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

Draw = Callable[[int], Sequence[Text]]
"""Gives the lines for a width in cells."""


class Lines(Widget):
    """Shows what a pure function draws; as high as there are lines."""

    DEFAULT_CSS = "Lines { width: 1fr; height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draw: Draw = lambda width: ()
        self._drawn: tuple[int, Sequence[Text]] | None = None

    def show(self, draw: Draw) -> None:
        """Draw this from now on."""
        self._draw, self._drawn = draw, None
        self.refresh(layout=True)

    def render_line(self, y: int) -> Strip:
        """One line, when it comes into view; there may be hundreds below it."""
        width, style = self.content_size.width, self.rich_style
        lines = self._lines(width)
        if y >= len(lines):
            return Strip.blank(width, style)
        console, line = self.app.console, lines[y]
        # Rich leaves the style of the whole text out where no part of it has a style of its own.
        segments = Segment.apply_style(line.render(console), style + console.get_style(line.style))
        return Strip(segments).adjust_cell_length(width, style)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One for each line."""
        return len(self._lines(width))

    def _lines(self, width: int) -> Sequence[Text]:
        if width <= 0:
            return ()
        if self._drawn is None or self._drawn[0] != width:
            self._drawn = width, self._draw(width)
        return self._drawn[1]
