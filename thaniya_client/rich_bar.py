"""The bar that shows a person at a terminal how a backup or a restore gets on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from thaniya_client.values import OnProgress, Progress


@contextmanager
def show_bar() -> Iterator[OnProgress]:
    """A callback that moves a bar on stderr; the bar vanishes at the end."""
    with Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[entries]}", markup=False),
        console=Console(stderr=True, markup=False, highlight=False),
        transient=True,
    ) as bar:
        yield _BarUpdater(bar)


class _BarUpdater:
    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task: TaskID = bar.add_task("", total=None, entries="")

    def __call__(self, progress: Progress) -> None:
        self._bar.update(
            self._task,
            description=progress.phase.value,
            total=progress.expected_bytes,
            completed=progress.read_bytes,
            entries=progress.detail or (f"{progress.entries} entries" if progress.entries else ""),
        )
