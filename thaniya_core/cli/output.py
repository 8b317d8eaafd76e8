"""What commands print: tables for people, JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated

import typer

from thaniya_core.errors import ExitCode, WrongUsage
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import show_json, show_json_array, show_table

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def print_records(
    records: Iterable[object], columns: Sequence[str], rows: Iterable[Sequence[str]], as_json: bool, empty: str
) -> None:
    """A list of things: JSON array, or a table.

    Args:
        records: what JSON shows; only this is gone through when JSON is wanted.
        columns: the table's headings; one that begins with `>` is aligned to the right.
        rows: the table's cells; only this is gone through otherwise.
        as_json: which of the two.
        empty: said instead of an empty table.
    """
    if as_json:
        show_json_array(records)
    elif not show_table(columns, rows):
        print(empty)


def print_facts(record: object, facts: Sequence[tuple[str, str]], as_json: bool) -> None:
    """One thing: JSON object, or a line a fact."""
    if as_json:
        show_json(record)
        return
    width = max(len(name) for name, _ in facts) + 1
    for name, value in facts:
        print(f"{name + ':':<{width}} {make_harmless(value)}")


def confirm(question: str, yes: bool) -> None:
    """Ask before something that cannot be undone, unless `yes` was given; anything but yes ends the command."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUsage("this cannot be undone, and no person is there to ask", hint="give --yes")
    try:
        agreed = typer.confirm(question)
    except typer.Abort:
        agreed = False
    if not agreed:
        print("nothing was changed", file=sys.stderr)
        raise typer.Exit(ExitCode.INTERRUPTED)


def format_time(moment: datetime | None) -> str:
    """A time for people, local: `2026-11-23 21:15:00`."""
    return "-" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
