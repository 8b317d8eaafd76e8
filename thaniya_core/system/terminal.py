"""What both commands print the same way: tables, errors, JSON lines. Foreign text is never markup.

rich is imported where it is used: most commands draw nothing, and it takes longer to load than many of them to run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from thaniya_core.errors import ThaniyaError
from thaniya_core.system.harmless import make_harmless

_PIPE_COLUMNS = 10_000
"""In a pipe no line is folded: `grep` and `cut` are to find whole fields."""


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout. Columns whose name begins with `>` are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            Text(column.removeprefix(">")),
            justify="right" if column.startswith(">") else "left",
            no_wrap=column.lower() == "id",
        )
    for row in rows:
        table.add_row(*(Text(make_harmless(cell)) for cell in row))
    width = None if sys.stdout.isatty() else _PIPE_COLUMNS
    Console(width=width, markup=False, highlight=False, emoji=False).print(table)


def show_json(value: object) -> None:
    """A value as one line of JSON on stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(value, enc_hook=str) + b"\n")
    sys.stdout.buffer.flush()


def show_error(program: str, error: ThaniyaError, *, as_json: bool) -> None:
    """An error on stderr: message and hint for people, all its facts as a line of JSON for machines."""
    if as_json:
        told = {
            "message_type": "error",
            "code": error.code,
            "title": error.title,
            "exit_code": error.exit_code,
            "message": _encodable(error.message),
            "hint": _encodable(error.hint),
            "facts": {name: _encodable(fact) if isinstance(fact, str) else fact for name, fact in error.facts.items()},
        }
        sys.stderr.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stderr.buffer.flush()
        return
    print(f"{program}: {make_harmless(error.message)}", file=sys.stderr)
    for line in (error.hint, *getattr(error, "__notes__", ())):
        if line:
            print(f"  {make_harmless(line)}", file=sys.stderr)


@contextmanager
def progress_bar(what: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while the block runs, where stderr is a terminal; it vanishes at the end.

    Yields:
        What takes the number of bytes done since the last call.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(make_harmless(what), total=total_bytes)
        yield lambda count: progress.advance(task, count)


def _encodable(text: str) -> str:
    """The text with what is not UTF-8, such as a byte of a path, written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
