"""Shows progress: a bar on a terminal, a line now and then in a pipe, JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from thaniya_client.cli.output import print_json
from thaniya_client.values import OnProgress, Phase, Progress
from thaniya_core.formats.quantities import format_size

_LINE_EVERY_S = 30.0
_JSON_EVERY_S = 1.0


@contextmanager
def show_progress(as_json: bool) -> Iterator[OnProgress]:
    """A callback that shows what it is given, in the way that fits."""
    if as_json:
        yield _Occasional(_print_status, _JSON_EVERY_S)
    elif sys.stderr.isatty():
        with _make_bar() as bar:
            yield _BarUpdater(bar)
    else:
        yield _Occasional(_print_line, _LINE_EVERY_S)


class _Occasional:
    """Passes on the first progress of each phase, and then one now and then."""

    def __init__(self, show: OnProgress, every_s: float) -> None:
        self._show = show
        self._every_s = every_s
        self._phase: Phase | None = None
        self._shown_at = 0.0

    def __call__(self, progress: Progress) -> None:
        now = monotonic()
        if progress.phase is self._phase and now - self._shown_at < self._every_s:
            return
        self._phase, self._shown_at = progress.phase, now
        self._show(progress)


def _print_status(progress: Progress) -> None:
    print_json("status", progress)


def _print_line(progress: Progress) -> None:
    if progress.phase is Phase.DONE:
        return
    done = f": {format_size(progress.read_bytes)}, {progress.entries} entries" if progress.read_bytes else ""
    print(f"{progress.phase.value}{done}{f' ({progress.detail})' if progress.detail else ''}", file=sys.stderr)


def _make_bar() -> Bar:
    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[entries]}", markup=False),
        console=Console(stderr=True, markup=False, highlight=False),
        transient=True,
    )


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
