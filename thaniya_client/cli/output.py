"""What the command prints: tables for people, JSON for programs, errors on stderr. Foreign text is never markup."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from thaniya_core.errors import ThaniyaError

_PIPE_COLUMNS = 1000
"""In a pipe no line is folded: `grep` and `cut` are to find whole fields."""


def is_terminal() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def printable(text: str) -> str:
    """A text without what would steer a terminal or cannot be encoded."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in text
    )


def print_line(text: str) -> None:
    """A line for people."""
    print(printable(text))


def print_json(message_type: str, value: object) -> None:
    """A value as one JSON line with its message_type."""
    fields = msgspec.to_builtins(value)
    print(msgspec.json.encode({"message_type": message_type, **fields}).decode(), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table. Columns whose name begins with `>` are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.lstrip(">"), justify="right" if column.startswith(">") else "left", no_wrap=column == "ID"
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    width = None if sys.stdout.isatty() else _PIPE_COLUMNS
    Console(width=width, markup=False, highlight=False, emoji=False).print(table)


def print_error(error: ThaniyaError, *, as_json: bool) -> None:
    """An error with its hint, on stderr."""
    if as_json:
        facts = {"message_type": "error", "code": error.code, "title": error.title, "exit_code": error.exit_code}
        facts |= {"message": error.message, "hint": error.hint}
        print(msgspec.json.encode(facts).decode(), file=sys.stderr)
        return
    print(f"thaniya-client: {printable(error.message)}", file=sys.stderr)
    for line in (error.hint, *getattr(error, "__notes__", ())):
        if line:
            print(f"  {printable(line)}", file=sys.stderr)


def ask_host_key(name: str, fingerprint: str) -> bool:
    """Ask the person whether an unknown host key is right."""
    print(f"The host key of {printable(name)} is not known yet: {printable(fingerprint)}", file=sys.stderr)
    return typer.confirm("Does the administrator name the same fingerprint?", default=False, err=True)
