"""A question before something that cannot be undone."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Button, Input, Static

from thaniya_tui import render
from thaniya_tui.dialogs.base import Dialog


class Confirm(Dialog[bool]):
    """Names what will happen, with Cancel focused; gives True only when it was agreed to."""

    def __init__(self, title: str, text: str | Text, agree: str, *, typed: str = "") -> None:
        """
        Args:
            title: the question: `Remove this backup?`.
            text: what happens, to what.
            agree: the button that does it: `Remove`.
            typed: what has to be typed first, where it cannot be undone; empty for nothing.
        """
        super().__init__(title)
        self._text = text if isinstance(text, Text) else render.paragraph(text)
        self._agree = agree
        self._typed = typed

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="dialog-scroll", can_focus=False):
            yield Static(self._text)
            if self._typed:
                yield Static(Text.assemble("\nType ", (render.foreign(self._typed).plain, "accent"), " to go on:"))
                yield Input(id="typed", compact=True)

    def compose_buttons(self) -> ComposeResult:
        yield Button("Cancel", id="leave", variant="primary")
        yield Button(self._agree, id="agree", variant="error", disabled=bool(self._typed))

    def on_mount(self) -> None:
        self.query_one("#typed" if self._typed else "#leave").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#agree", Button).disabled = event.value.strip() != self._typed

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._typed:
            self.dismiss(True)

    def press(self, button: str) -> None:
        self.dismiss(True)
