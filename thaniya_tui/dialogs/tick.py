"""A choice that can be ticked; whether it is can be seen without colours."""

from __future__ import annotations

from textual.widgets import Checkbox


class Tick(Checkbox):
    """A line that `space` or `enter` ticks."""

    def __init__(self, label: str, *, id: str, value: bool = False) -> None:
        super().__init__(label, value, id=id, compact=True)
        self._draw_sign()

    def watch_value(self) -> None:
        """Tell the dialog, and draw the sign anew."""
        super().watch_value()
        self._draw_sign()

    def _draw_sign(self) -> None:
        self.BUTTON_INNER = "x" if self.value else " "
        self.refresh()
