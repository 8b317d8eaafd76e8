"""Lines of text that are drawn for the width there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.geometry import Size
from textual.widget import Widget

Draw = Callable[[int], Sequence[Text]]
"""Gives the lines for a width in cells."""


class Lines(Widget):
    """Shows what a pure function draws; as high as there are lines."""

    DEFAULT_CSS = "Lines { width: 1fr; height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draw: Draw = lambda width: ()

    def show(self, draw: Draw) -> None:
        """Draw this from now on."""
        self._draw = draw
        self.refresh(layout=True)

    def render(self) -> Text:
        """The lines."""
        return Text("\n").join(self._lines(self.content_size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One for each line."""
        return len(self._lines(width))

    def _lines(self, width: int) -> Sequence[Text]:
        return self._draw(width) if width > 0 else ()
