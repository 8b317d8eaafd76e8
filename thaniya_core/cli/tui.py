"""`thaniya tui`: the console, which is also `thaniya-tui`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Protocol

import typer

from thaniya_core.cli.context import given_config
from thaniya_core.config import ConsoleTheme
from thaniya_core.errors import NotFound


def tui(
    context: typer.Context,
    read_only: Annotated[bool, typer.Option("--read-only", help="Look only; nothing can be changed.")] = False,
    theme: Annotated[ConsoleTheme | None, typer.Option(help="Colours. [default: theme of [console]]")] = None,
) -> None:
    """Open the console: live uploads, backups, retention, users, volumes, jobs, the log.

    Example: thaniya tui --read-only
    """
    show = load_console()
    raise typer.Exit(show(given_config(context), is_read_only=read_only, theme=theme))


class ShowConsole(Protocol):
    """Shows a server in this terminal until the person leaves; gives the exit code."""

    def __call__(self, config_file: Path | None, *, is_read_only: bool, theme: ConsoleTheme | None) -> int: ...


def load_console() -> ShowConsole:
    """What opens the console in this terminal.

    Raises:
        NotFound: it is not installed.
        WrongUsage: there is no terminal.
    """
    try:
        from thaniya_tui.command import check_terminal, open_console
    except ModuleNotFoundError as error:
        if error.name not in ("textual", "thaniya_tui"):
            raise
        raise NotFound("the console is not installed here", hint="pip install 'thaniya[tui]'") from error
    check_terminal()
    return open_console
