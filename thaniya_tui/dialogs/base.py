"""What all dialogs share."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from thaniya_tui import render

T = TypeVar("T")


class Dialog(ModalScreen[T | None], Generic[T]):
    """A window with a title, something in it and buttons; `esc` and `q` give None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Back", id="dialog.leave")]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(render.paragraph(self._title, "strong"), id="dialog-title")
            yield from self.compose_body()
            with Horizontal(id="dialog-buttons"):
                yield from self.compose_buttons()

    def compose_body(self) -> ComposeResult:
        """What stands between the title and the buttons."""
        yield from ()

    def compose_buttons(self) -> ComposeResult:
        """The buttons, from left to right."""
        yield Button("Close", id="leave")

    def action_leave(self) -> None:
        """Go back, with nothing."""
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "leave":
            self.action_leave()
        else:
            self.press(event.button.id or "")

    def press(self, button: str) -> None:
        """Another button than the one that leaves was pressed."""
