"""The question where to restore, and what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import Struct
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Button, Input, Label, Static

from thaniya_core.errors import ThaniyaError, WrongUsage
from thaniya_core.model import Backup
from thaniya_core.views import make_harmless
from thaniya_tui import render
from thaniya_tui.areas.backups.wishes import name_backups, owner_note
from thaniya_tui.dialogs.base import Dialog
from thaniya_tui.threads import begin, in_thread

Check = Callable[[Path, tuple[str, ...]], None]
"""Raises ThaniyaError where a restore of these paths into this directory cannot begin; called in a thread."""

_SHOWN = 4


class Wish(Struct, frozen=True):
    """What is to be restored, and where."""

    target: Path
    paths: tuple[str, ...]
    """None for the whole backup."""


class RestoreQuestion(Dialog[Wish]):
    """Asks for a directory, which is looked at while one types."""

    def __init__(self, backup: Backup, paths: tuple[str, ...], check: Check) -> None:
        """
        Args:
            backup: what is restored.
            paths: what is marked of it; none for nothing.
            check: looks at a target.
        """
        super().__init__("Restore to a directory of this server")
        self._backup = backup
        self._paths = paths
        self._check = check

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="dialog-scroll", can_focus=False):
            yield Static(name_backups([self._backup]), id="dialog-text")
            yield Static(name_paths(self._paths), id="what")
            yield Label(Text("Into this directory, new or empty"))
            yield Input(placeholder="/srv/restored", id="target", compact=True)
            yield Static(id="wrong-target", classes="wrong")
            yield Static(
                Text(f"Sums are compared before anything is written. {owner_note()}", "faint"), id="owner-note"
            )

    def compose_buttons(self) -> ComposeResult:
        yield Button("Cancel", id="leave")
        yield Button("Restore all", id="all", variant="default" if self._paths else "primary")
        if self._paths:
            yield Button(f"Restore {len(self._paths):,} marked", id="marked", variant="primary")

    def on_mount(self) -> None:
        self.query_one("#target", Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._judge(self._paths, agrees=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._judge(self._paths, agrees=True)

    def press(self, button: str) -> None:
        self._judge(self._paths if button == "marked" else (), agrees=True)

    def _judge(self, paths: tuple[str, ...], *, agrees: bool) -> None:
        begin(
            self,
            partial(self._look, paths, agrees),
            group="target",
            description="look at the target",
            exclusive=True,
        )

    async def _look(self, paths: tuple[str, ...], agrees: bool) -> None:
        """Look at the target, tell what is wrong with it, and end the dialog when it is right and was agreed to."""
        told = self.query_one("#wrong-target", Static)
        text = self.query_one("#target", Input).value
        if not text.strip() and not agrees:
            told.update("")
            return
        try:
            wish = Wish(read_target(text), paths)
            await in_thread(lambda: self._check(wish.target, wish.paths), "look at the target")
        except ThaniyaError as error:
            told.update(render.paragraph(f"✗ {error.message}", "bad"))
            self.query_one("#target", Input).focus()
            return
        if agrees:
            self.dismiss(wish)
        else:
            told.update(Text.assemble(("✓ can be restored into", "good")))


def read_target(text: str) -> Path:
    """The directory that was typed.

    Raises:
        WrongUsage: it is not the absolute path of a directory.
    """
    path = text.strip()
    if not path.startswith("/"):
        raise WrongUsage("give the whole path, beginning with /")
    if make_harmless(path, len(path)) != path:
        raise WrongUsage("the path holds a character that cannot be shown")
    return Path(path)


def name_paths(paths: tuple[str, ...]) -> Text:
    """What is marked, in a line or two."""
    if not paths:
        return Text("All of it is restored. To restore some paths only, browse it (b) and mark them.")
    named = ", ".join(render.foreign(path.removeprefix("./") or "./", limit=60).plain for path in paths[:_SHOWN])
    more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
    return Text.assemble("Marked: ", (named, "accent"), more)
