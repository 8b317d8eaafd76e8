"""One of a few words, on one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

_CHOSEN, _OTHER, _GAP = "●", "○", 3


class OneOf(Widget, can_focus=True):
    """Lets one choose with the arrow keys or the mouse; all words are seen at once."""

    DEFAULT_CSS = "OneOf { height: 1; padding: 0 1; } OneOf:focus { background: $primary 30%; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "Before", show=False, id="choice.before"),
        Binding("right,l,space", "move(1)", "Next", show=False, id="choice.next"),
        Binding("enter", "agree", "Agree", show=False, id="choice.agree"),
    ]

    value: reactive[str] = reactive("")

    class Agreed(Message):
        """Enter was pressed."""

    def __init__(self, words: Sequence[str], value: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._words = tuple(words)
        self.set_reactive(OneOf.value, value if value in self._words else self._words[0])

    def render(self) -> Text:
        """The words, each with its sign."""
        parts: list[tuple[str, str]] = []
        for word in self._words:
            is_chosen = word == self.value
            parts.append((f"{_CHOSEN if is_chosen else _OTHER} {word}", "strong" if is_chosen else ""))
            parts.append((" " * _GAP, ""))
        return Text.assemble(*parts, no_wrap=True)

    def action_move(self, by: int) -> None:
        """Choose the next word, or the one before; the first comes after the last."""
        self.value = self._words[(self._words.index(self.value) + by) % len(self._words)]

    def action_agree(self) -> None:
        """Tell the dialog."""
        self.post_message(self.Agreed())

    def on_click(self, event: Click) -> None:
        """Choose the word that was clicked."""
        event.stop()
        begin = 0
        for word in self._words:
            end = begin + 2 + len(word) + _GAP
            if begin <= event.x - self.styles.padding.left < end:
                self.value = word
            begin = end
