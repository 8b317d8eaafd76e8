"""What went wrong, in full."""

from __future__ import annotations

import traceback
from typing import NamedTuple

from rich.text import Text

from thaniya_core.errors import ThaniyaError
from thaniya_tui import render
from thaniya_tui.dialogs.reading import Reading


class FailureText(NamedTuple):
    """What is said of a failure."""

    title: str
    """The kind of failure: `No space`."""
    what: str
    """What was to be done: `remove the backup …`."""
    cause: str
    hint: str
    details: str
    """The end of stderr, or where in the program it happened."""


def describe_failure(what: str, error: Exception) -> FailureText:
    """What there is to say when something that was wanted raised an error."""
    if isinstance(error, ThaniyaError):
        facts = "\n".join(f"{name}: {value}" for name, value in error.facts.items() if value not in (None, ""))
        return FailureText(error.title, what, error.message, error.hint, facts)
    if isinstance(error, OSError):
        return FailureText("Failed", what, str(error), "", "")
    where = "".join(traceback.format_exception(error)[-6:])
    hint = "this is a mistake in the program: please report it with the lines below"
    return FailureText("Unexpected failure", what, f"{type(error).__name__}: {error}", hint, where)


class Failure(Reading):
    """Tells a failure: what, the cause, what to do, and what a program wrote last."""

    def __init__(self, failure: FailureText) -> None:
        lines: list[tuple[str, str]] = [("could not ", ""), (failure.what, "strong"), ("\n\n", "")]
        text = Text.assemble(*((render.paragraph(part).plain, style) for part, style in lines))
        text.append_text(render.paragraph(failure.cause, "bad"))
        if failure.hint:
            text.append("\n\nwhat next  ", "faint").append_text(render.paragraph(failure.hint))
        if failure.details:
            text.append("\n\n").append_text(render.paragraph(failure.details, "faint"))
        super().__init__(f"✗ {failure.title}", text)
