"""A place in a configuration file, for errors: which file, which key, what was there, what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import msgspec
from msgspec import Struct

from thaniya_core.errors import ConfigInvalid

_SHOWN_CHARACTERS = 60


class Where(Struct, frozen=True):
    """A key of a file, written as in `profile.nightly.tasks[1].path`."""

    file: Path
    key: str = ""

    def at(self, name: str) -> Where:
        """The key of that name in this table."""
        return Where(self.file, f"{self.key}.{name}" if self.key else name)

    def item(self, index: int) -> Where:
        """The item of this list, counted from 0."""
        return Where(self.file, f"{self.key}[{index}]")

    def wrong(self, value: object, expected: str, hint: str = "") -> ConfigInvalid:
        """The error for a value that is not what was expected."""
        return ConfigInvalid(f"{self.file}: `{self.key}` is {_shown(value)}, expected {expected}", hint=hint)

    def error(self, what: str, hint: str = "") -> ConfigInvalid:
        """The error for this key in other words."""
        return ConfigInvalid(f"{self.file}: `{self.key}` {what}" if self.key else f"{self.file}: {what}", hint=hint)

    def unknown(self, name: str, known: Iterable[str]) -> ConfigInvalid:
        """The error for a key that nobody knows, with the nearest that there is."""
        names = list(known)
        return ConfigInvalid(
            f"{self.file}: `{self.at(name).key}` is not known here, expected one of {', '.join(names)}",
            hint=nearest(name, names),
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names what was probably meant; empty where nothing is near."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean `{found[0]}`?" if found else ""


def _shown(value: object) -> str:
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
