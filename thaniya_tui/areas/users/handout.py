"""What to send to a user, to read and to copy."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from thaniya_core.views import Instructions
from thaniya_tui import render
from thaniya_tui.dialogs import Reading


class Handout(Reading):
    """Shows the text for the user; what only the administrator should know stands above it and is not copied."""

    def __init__(self, instructions: Instructions) -> None:
        super().__init__(f"What to send to {instructions.user}", Text(instructions.text.rstrip("\n")))
        self._doubts = instructions.doubts

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="dialog-scroll"):
            for doubt in self._doubts:
                yield Static(Text.assemble((render.paragraph(f"! {doubt}").plain, "caution")))
            if self._doubts:
                told = "for you, not for the user; below is what is copied"
                yield Static(Text.assemble((told, "faint")), id="handout-doubts")
            yield Static(self._text)
