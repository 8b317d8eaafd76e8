"""One of several things."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from thaniya_tui import render
from thaniya_tui.dialogs.base import Dialog


class Pick(Dialog[str]):
    """Gives the id of what was chosen from a list."""

    def __init__(self, title: str, options: Sequence[tuple[str, Text]], agree: str, text: str = "") -> None:
        """
        Args:
            title: what it is about.
            options: an id and what is shown for each.
            agree: the button that takes the one under the cursor.
            text: said before the list.
        """
        super().__init__(title)
        self._options = options
        self._agree = agree
        self._text = render.paragraph(text)

    def compose_body(self) -> ComposeResult:
        if self._text:
            yield Static(self._text, id="dialog-text")
        yield OptionList(*(Option(text, id=option) for option, text in self._options), id="options", markup=False)

    def compose_buttons(self) -> ComposeResult:
        yield Button("Cancel", id="leave")
        yield Button(self._agree, id="agree", variant="primary")

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.highlighted = 0
        options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(event.option_id)

    def press(self, button: str) -> None:
        highlighted = self.query_one(OptionList).highlighted
        self.dismiss(None if highlighted is None else self._options[highlighted][0])
