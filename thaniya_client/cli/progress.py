"""Shows progress: a bar on a terminal, a line now and then in a pipe, JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from thaniya_client.cli.output import print_json
from thaniya_client.values import OnProgress, Phase, Progress
from thaniya_core.formats.quantities import format_duration, format_size

_LINE_EVERY_S = 30.0
_JSON_EVERY_S = 1.0


@contextmanager
def show_progress(as_json: bool, *, quiet: bool = False) -> Iterator[OnProgress]:
    """A callback that shows what it is given, in the way that fits; nothing when it is to be quiet."""
    if quiet:
        yield _show_nothing
    elif as_json:
        yield _Occasional(_print_status, _JSON_EVERY_S)
    elif sys.stderr.isatty():
        # Imported here: rich is slow to load, and under cron there is no terminal.
        from thaniya_client.rich_bar import show_bar

        with show_bar() as on_progress:
            yield on_progress
    else:
        yield _Occasional(_print_line, _LINE_EVERY_S)


def _show_nothing(progress: Progress) -> None:
    pass


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
    if progress.bytes_per_s is not None:
        done += f", {format_size(int(progress.bytes_per_s))}/s"
    if progress.remaining_s is not None:
        done += f", at most {format_duration(progress.remaining_s)} left"
    print(f"{progress.phase.value}{done}{f' ({progress.detail})' if progress.detail else ''}", file=sys.stderr)
