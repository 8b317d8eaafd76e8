"""`thaniya tui`: the console, which is also `thaniya-tui`."""

from __future__ import annotations

from typing import Annotated

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
    try:
        from thaniya_tui.command import open_console
    except ModuleNotFoundError as error:
        if error.name not in ("textual", "thaniya_tui"):
            raise
        raise NotFound("the console is not installed here", hint="pip install 'thaniya[tui]'") from error
    raise typer.Exit(open_console(given_config(context), is_read_only=read_only, theme=theme))
