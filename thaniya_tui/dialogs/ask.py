"""A few fields to fill in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Button, Input, Label, Static

from thaniya_core.errors import ThaniyaError
from thaniya_tui import render
from thaniya_tui.dialogs.base import Dialog
from thaniya_tui.dialogs.tick import Tick


def _take_all(_: str) -> None:
    pass


class Field(Struct, frozen=True):
    """A line of text to be typed."""

    name: str
    label: str
    value: str = ""
    placeholder: str = ""
    check: Callable[[str], object] = _take_all
    """Raises ThaniyaError for what is not legal."""


class Choice(Struct, frozen=True):
    """Something that can be ticked."""

    name: str
    label: str
    value: bool = False


TICKED = "yes"
"""Given for a choice that was ticked; nothing for one that was not."""


class Ask(Dialog[dict[str, str]]):
    """Gives what was typed, by the fields' names; what is not legal is told while one types."""

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        agree: str,
        text: str | Text = "",
        choices: Sequence[Choice] = (),
        *,
        destroys: bool = False,
    ) -> None:
        """
        Args:
            title: what it is about.
            fields: what is asked for.
            agree: the button that does it.
            text: said before the fields.
            choices: what can be ticked, below the fields.
            destroys: something is gone then: Cancel has the focus.
        """
        super().__init__(title)
        self._fields = {field.name: field for field in fields}
        self._choices = tuple(choices)
        self._agree = agree
        self._destroys = destroys
        self._text = text if isinstance(text, Text) else render.paragraph(text)

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="dialog-scroll", can_focus=False):
            if self._text:
                yield Static(self._text, id="dialog-text")
            for field in self._fields.values():
                yield Label(Text(field.label))
                yield Input(field.value, placeholder=field.placeholder, id=f"field-{field.name}", compact=True)
                yield Static(id=f"wrong-{field.name}", classes="wrong")
            for choice in self._choices:
                yield Tick(choice.label, id=f"choice-{choice.name}", value=choice.value)

    def compose_buttons(self) -> ComposeResult:
        yield Button("Cancel", id="leave", variant="primary" if self._destroys else "default")
        yield Button(self._agree, id="agree", variant="error" if self._destroys else "primary")

    def on_mount(self) -> None:
        self.query(Input).first().focus()
        if self._destroys:
            self.query_one("#leave").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._check(self._fields[(event.input.id or "").removeprefix("field-")])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.press("agree")

    def press(self, button: str) -> None:
        wrong = [field for field in self._fields.values() if not self._check(field)]
        if wrong:
            self._input(wrong[0]).focus()
            return
        typed = {name: self._input(field).value.strip() for name, field in self._fields.items()}
        ticked = [each.name for each in self._choices if self.query_one(f"#choice-{each.name}", Tick).value]
        self.dismiss(typed | {each.name: TICKED if each.name in ticked else "" for each in self._choices})

    def _input(self, field: Field) -> Input:
        return self.query_one(f"#field-{field.name}", Input)

    def _check(self, field: Field) -> bool:
        """Tell what is wrong with a field; True when it is legal."""
        told = self.query_one(f"#wrong-{field.name}", Static)
        try:
            field.check(self._input(field).value.strip())
        except ThaniyaError as error:
            told.update(render.paragraph(str(error), "bad"))
            return False
        told.update("")
        return True
