"""What the demo shows: bars on a terminal, plain lines in a pipe, JSON lines for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TransferSpeedColumn as Rate
from rich.table import Table
from rich.text import Text

from thaniya_core.formats.quantities import format_size
from thaniya_core.system.terminal import show_json


class Step(Struct, frozen=True):
    """One thing that was done."""

    name: str
    seconds: float
    size_bytes: int | None = None
    """Uncompressed bytes that it worked through."""
    files: int | None = None
    result: str = ""


class Screen:
    """Tells how the demo gets on."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(highlight=False)
        self._bars = self._console.is_terminal and not as_json

    def say(self, text: str) -> None:
        """A line of prose; machines do not get it."""
        if not self._as_json:
            print(text, flush=True)

    def finish_step(self, step: Step) -> None:
        """Tell what a step did."""
        if self._as_json:
            show_json({"message_type": "step", **{name: getattr(step, name) for name in step.__struct_fields__}})
            return
        size = f", {format_size(step.size_bytes)}" if step.size_bytes is not None else ""
        self.say(f"  {step.name}: {step.result or 'done'}{size} in {step.seconds:.1f} s")

    @contextmanager
    def bar(self, name: str) -> Iterator[Bar]:
        """A progress bar for the time of the block; without a terminal nothing is drawn."""
        if not self._bars:
            yield Bar(None)
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            Rate(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(name, total=None)
            yield Bar(progress)

    def show_table(self, steps: list[Step]) -> None:
        """The steps as a table."""
        if self._as_json:
            return
        table = Table(title=None, pad_edge=False, box=None, header_style="bold")
        for heading in ("step", "files", "size", "seconds", "MB/s", "result"):
            table.add_column(heading, justify="left" if heading in ("step", "result") else "right")
        for step in steps:
            rate = step.size_bytes / step.seconds / 1e6 if step.size_bytes and step.seconds > 0.005 else None
            table.add_row(
                Text(step.name),
                "-" if step.files is None else f"{step.files:,}",
                format_size(step.size_bytes),
                f"{step.seconds:.2f}",
                "-" if rate is None else f"{rate:.0f}",
                Text(step.result),
            )
        width = None if self._console.is_terminal else 120
        Console(highlight=False, width=width, file=sys.stdout).print(table)


class Bar:
    """A bar that may be there or not."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def set(self, done_bytes: int, total_bytes: int | None) -> None:
        """How far it is."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=done_bytes, total=total_bytes)
