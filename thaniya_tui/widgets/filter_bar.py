"""The line in which one types what a table is to show."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterBar(Input):
    """Hidden until it is asked for; `esc` takes the filter away, `enter` keeps it and goes back to the table."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", "No filter", show=False, id="filter.drop")]

    class Wanted(Message):
        """Show what fits this text only."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The keys go back to what is filtered."""

    def __init__(self) -> None:
        super().__init__(placeholder="show what contains …", id="filter", compact=True)
        self.display = False

    def open(self) -> None:
        """Show the line, and take the keys."""
        self.display = True
        self.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Wanted(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.display = bool(self.value)
        self.post_message(self.Left())

    def action_drop(self) -> None:
        """Show everything again."""
        self.value = ""
        self.display = False
        self.post_message(self.Left())
