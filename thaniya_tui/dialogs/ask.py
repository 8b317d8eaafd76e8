"""A few fields to fill in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Button, Input, Label, Static

from thaniya_core.errors import ThaniyaError
from thaniya_tui import render
from thaniya_tui.dialogs.base import Dialog
from thaniya_tui.dialogs.tick import Tick
from thaniya_tui.threads import begin, in_thread
from thaniya_tui.widgets import OneOf


def _take_all(_: str) -> None:
    pass


class Field(Struct, frozen=True):
    """A line of text to be typed."""

    name: str
    label: str
    value: str = ""
    placeholder: str = ""
    check: Callable[[str], object] = _take_all
    """Raises ThaniyaError for what is not legal; called at each letter."""
    look: Callable[[str], str] | None = None
    """Checks what takes longer: called in a thread for what is not empty. Gives what is told of it, or raises."""
    words: tuple[str, ...] = ()
    """It is one of these words, and nothing is typed."""


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
        self._looked: dict[str, str] = {}
        """What of each field was looked at last, and found right."""

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="dialog-scroll", can_focus=False):
            if self._text:
                yield Static(self._text, id="dialog-text")
            for field in self._fields.values():
                yield Label(Text(field.label))
                if field.words:
                    yield OneOf(field.words, field.value, id=f"field-{field.name}")
                    continue
                yield Input(field.value, placeholder=field.placeholder, id=f"field-{field.name}", compact=True)
                yield Static(id=f"wrong-{field.name}", classes="wrong -empty")
            for choice in self._choices:
                yield Tick(choice.label, id=f"choice-{choice.name}", value=choice.value)

    def compose_buttons(self) -> ComposeResult:
        yield Button("Cancel", id="leave", variant="primary" if self._destroys else "default")
        yield Button(self._agree, id="agree", variant="error" if self._destroys else "primary")

    def on_mount(self) -> None:
        if self._destroys:
            self.query_one("#leave").focus()
        else:
            self._focus(next(iter(self._fields.values())))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        field = self._fields[(event.input.id or "").removeprefix("field-")]
        if self._check(field) and field.look is not None:
            what = f"look at {field.name}"
            begin(self, partial(self._look, field), group=what, description=what, exclusive=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.press("agree")

    def on_one_of_agreed(self, event: OneOf.Agreed) -> None:
        event.stop()
        self.press("agree")

    def press(self, button: str) -> None:
        wrong = [field for field in self._fields.values() if not self._check(field)]
        if wrong:
            self._focus(wrong[0])
            return
        unseen = [each for each in self._fields.values() if each.look and not self._is_looked_at(each)]
        if unseen:
            look = partial(self._look_and_agree, unseen)
            begin(self, look, group="agree", description="look at what was typed", exclusive=True)
            return
        typed = {name: self._typed(field) for name, field in self._fields.items()}
        ticked = [each.name for each in self._choices if self.query_one(f"#choice-{each.name}", Tick).value]
        self.dismiss(typed | {each.name: TICKED if each.name in ticked else "" for each in self._choices})

    async def _look_and_agree(self, fields: list[Field]) -> None:
        for field in fields:
            if not await self._look(field):
                self._focus(field)
                return
        self.press("agree")

    def _focus(self, field: Field) -> None:
        self.query_one(f"#field-{field.name}").focus()

    def _typed(self, field: Field) -> str:
        if field.words:
            return self.query_one(f"#field-{field.name}", OneOf).value
        return self.query_one(f"#field-{field.name}", Input).value.strip()

    def _check(self, field: Field) -> bool:
        """Tell what is wrong with a field; True when it is legal, as far as can be said at once."""
        if field.words:
            return True
        try:
            field.check(self._typed(field))
        except ThaniyaError as error:
            self._tell(field, str(error), "bad")
            return False
        if field.look is None or not self._is_looked_at(field):
            self._tell(field, "", "")
        return True

    def _is_looked_at(self, field: Field) -> bool:
        return self._looked.get(field.name) == self._typed(field)

    async def _look(self, field: Field) -> bool:
        """Look closer at what was typed, and tell what it is or what is wrong with it."""
        typed = self._typed(field)
        told, is_right = "", True
        if typed and field.look is not None:
            try:
                told = await in_thread(partial(field.look, typed), f"look at {field.name}")
            except (ThaniyaError, OSError) as error:
                told, is_right = str(error), False
        if typed != self._typed(field):
            return False  # something else was typed meanwhile, and is looked at
        if is_right:
            self._looked[field.name] = typed
        self._tell(field, told, "good" if is_right else "bad")
        return is_right

    def _tell(self, field: Field, text: str, style: str) -> None:
        line = self.query_one(f"#wrong-{field.name}", Static)
        line.update(Text.assemble((render.paragraph(text).plain, style)))
        line.set_class(not text, "-empty")
