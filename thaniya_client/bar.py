"""The ready progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from thaniya_client.values import OnProgress, Progress


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """A callback for `on_progress` that moves a bar on stderr while the block runs, where stderr is a terminal.

    with progress_bar() as bar:
        target.backup(Directory("/home"), name="nightly", on_progress=bar)
    """
    if not sys.stderr.isatty():
        yield _show_nothing
        return
    # Imported here: rich is slow to load, and under cron there is no terminal.
    from thaniya_client.rich_bar import show_bar

    with show_bar() as on_progress:
        yield on_progress


def _show_nothing(progress: Progress) -> None:
    """There is nobody to see it."""
