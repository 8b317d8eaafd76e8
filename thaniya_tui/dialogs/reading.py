"""A text to read, to scroll and to copy."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Button, Static

from thaniya_tui.dialogs.base import Dialog


class Reading(Dialog[None]):
    """Shows a text; `y` copies it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", id="dialog.copy"),
        Binding("j", "scroll('down')", "Down", show=False, id="text.down"),
        Binding("k", "scroll('up')", "Up", show=False, id="text.up"),
    ]

    def __init__(self, title: str, text: Text) -> None:
        super().__init__(title)
        self._text = text

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="dialog-scroll"):
            yield Static(self._text)

    def compose_buttons(self) -> ComposeResult:
        yield Button("Copy", id="copy")
        yield Button("Close", id="leave", variant="primary")

    def on_mount(self) -> None:
        self.query_one("#dialog-scroll").focus()

    def press(self, button: str) -> None:
        self.action_copy()

    def action_copy(self) -> None:
        """Put the text into the terminal's clipboard."""
        self.app.copy_to_clipboard(self._text.plain)
        self.app.notify("copied, if your terminal allows it (OSC 52)", markup=False)

    def action_scroll(self, direction: str) -> None:
        """Move the text by a line."""
        scroll = self.query_one("#dialog-scroll", VerticalScroll)
        if direction == "down":
            scroll.scroll_down()
        else:
            scroll.scroll_up()
