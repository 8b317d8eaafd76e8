"""What both commands print the same way: tables, errors, JSON lines. Foreign text is never markup.

rich is imported where it is used: most commands draw nothing, and it takes longer to load than many of them to run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import msgspec

from thaniya_core.errors import ThaniyaError
from thaniya_core.system.harmless import make_harmless

_BLOCK_ROWS = 1000
"""So many rows are held in memory and aligned with each other; a longer table is made of several such blocks."""


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """A table on stdout; nothing at all without rows. Gives how many rows there were.

    In a pipe no line is folded, so that `grep` and `cut` find whole fields.

    Args:
        columns: the headings. A column whose heading begins with `>` is aligned to the right.
        rows: the cells; may be longer than memory.
    """
    count = 0
    heading = [column.removeprefix(">") for column in columns]
    remaining = iter(rows)
    while block := [[make_harmless(cell) for cell in row] for row in islice(remaining, _BLOCK_ROWS)]:
        if sys.stdout.isatty():
            _show_folded(columns, block, with_heading=not count)
        else:
            widths = [max(map(text_width, column)) for column in zip(heading, *block, strict=True)]
            shown = [heading, *block] if not count else block
            sys.stdout.writelines(_align(columns, row, widths) for row in shown)
        count += len(block)
    return count


def _align(columns: Sequence[str], row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        " " * (width - text_width(cell)) + cell if column.startswith(">") else cell + " " * (width - text_width(cell))
        for column, cell, width in zip(columns, row, widths, strict=True)
    ]
    return "  ".join(padded).rstrip() + "\n"


def _show_folded(columns: Sequence[str], rows: Iterable[Sequence[str]], *, with_heading: bool) -> None:
    """A table as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=with_heading)
    for column in columns:
        table.add_column(
            Text(column.removeprefix(">")),
            justify="right" if column.startswith(">") else "left",
            no_wrap=column.lower() == "id",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    Console(markup=False, highlight=False, emoji=False).print(table)


def text_width(text: str) -> int:
    """The columns that a text takes on a screen."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def show_json(value: object) -> None:
    """A value as one line of JSON on stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(value, enc_hook=str) + b"\n")
    sys.stdout.buffer.flush()


def show_json_array(values: Iterable[object]) -> None:
    """Values as one JSON array on stdout, written one by one."""
    sys.stdout.flush()
    out = sys.stdout.buffer
    out.write(b"[")
    for number, value in enumerate(values):
        if number:
            out.write(b",")
        out.write(msgspec.json.encode(value, enc_hook=str))
    out.write(b"]\n")
    out.flush()


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
