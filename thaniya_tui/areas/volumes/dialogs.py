"""What is asked before a volume is added, looked for or forgotten."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Button, Input, Static

from thaniya_core.errors import WrongUsage
from thaniya_core.model import Volume
from thaniya_core.views import Rescanned
from thaniya_tui import render
from thaniya_tui.areas.volumes.rows import count_of
from thaniya_tui.dialogs import Ask, Choice, Field, Tick
from thaniya_tui.dialogs.base import Dialog


def ask_what_to_add(typed: Mapping[str, str]) -> Ask:
    """Asks for a directory; what was typed before stands there already."""
    return Ask(
        "Add a volume",
        [
            Field("path", "Directory; its disk must be mounted", typed.get("path", ""), "/mnt/backup2", check_path),
            Field("label", "What to call it", typed.get("label", ""), "the directory's name"),
        ],
        "Add",
        "A directory that is a volume already, from elsewhere or from another server, is taken up with its label.",
        [Choice("make", "make the directory when it is missing", bool(typed.get("make")))],
    )


def ask_where_to_look() -> Ask:
    """Asks where else volumes may be."""
    return Ask(
        "Look for volumes that are elsewhere now",
        [Field("places", "Directories to look in too, separated by spaces", "", "/media /mnt", check_places)],
        "Look",
        "It looks where the volumes were and beside, below `search` of [volumes] in the configuration, and there, "
        "up to two levels below.",
        [Choice("add", "take up volumes that are not known here")],
    )


def check_path(text: str) -> Path:
    """The directory that was typed.

    Raises:
        WrongUsage: it is none that means the same everywhere.
    """
    if not text.startswith("/") or "\0" in text:
        raise WrongUsage("give the whole path of a directory, like /mnt/backup2")
    return Path(text)


def check_places(text: str) -> list[Path]:
    """The directories that were typed, as a shell reads them.

    Raises:
        WrongUsage: a quotation mark has no end, or a directory is not given whole.
    """
    try:
        return [check_path(word) for word in shlex.split(text)]
    except ValueError as exc:
        raise WrongUsage(f"directories that cannot be told apart: {exc}".lower()) from exc


def told_of(found: Rescanned) -> Text:
    """What a search has found, a line each, and what to do then."""
    width = max((len(what) for what, _ in found.facts), default=0) + 2
    styles = {"moved": "good", "added": "good", "not known here": "caution"}
    text = Text("\n").join(
        Text.assemble((f"{what:<{width}}", styles.get(what, "bad")), render.foreign(which).plain)
        for what, which in found.facts
    )
    if found.added:
        text.append("\n\nNow run `thaniya catalog rebuild`, which lists the backups on them.")
    if found.missing:
        text.append("\n\nMount its disk, or look in other directories. Nothing is written there meanwhile.")
    if found.copies:
        text.append("\n\nUnmount all but one of the copies, then look again.")
    return text


def typed_name_of(volume: Volume) -> str:
    """What has to be typed before a volume is forgotten: its label, or its id where that cannot be typed."""
    label = volume.label
    return label if label and label == label.strip() and render.foreign(label).plain == label else volume.id


class Forget(Dialog[bool]):
    """Asks before a volume is forgotten; gives whether the backups on it are to be forgotten too."""

    def __init__(self, volume: Volume, backups: int | None) -> None:
        """
        Args:
            volume: which.
            backups: so many are on it by the catalog; None when that is not known yet.
        """
        super().__init__("Forget this volume?")
        self._volume = volume
        self._backups = backups
        self._typed = typed_name_of(volume)

    def compose_body(self) -> ComposeResult:
        which = count_of(self._backups) if self._backups else "the backups"
        told = Text.assemble((render.foreign(self._volume.label).plain, "strong"), " at ")
        told.append(render.foreign(self._volume.path).plain)
        told.append("\n\nNothing on it is touched: adding it again and `thaniya catalog rebuild` bring all of it back.")
        if self._backups:
            told.append(f" By the catalog {which} lie on it: unless these are forgotten too, it is refused.")
        with VerticalScroll(id="dialog-scroll", can_focus=False):
            yield Static(told, id="dialog-text")
            yield Tick(f"forget {which} on it too", id="with-backups")
            yield Static(Text.assemble("\nType ", (self._typed, "accent"), " to go on:"))
            yield Input(id="typed", compact=True)

    def compose_buttons(self) -> ComposeResult:
        yield Button("Cancel", id="leave", variant="primary")
        yield Button("Forget", id="agree", variant="error", disabled=True)

    def on_mount(self) -> None:
        self.query_one("#typed").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#agree", Button).disabled = not self._is_typed

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._is_typed:
            self.press("agree")

    @property
    def _is_typed(self) -> bool:
        return self.query_one("#typed", Input).value.strip() == self._typed

    def press(self, button: str) -> None:
        self.dismiss(self.query_one("#with-backups", Tick).value)
