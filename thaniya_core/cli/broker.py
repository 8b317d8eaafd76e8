"""`thaniya broker`: what sshd runs for a user."""

from __future__ import annotations

from typing import Annotated

import typer

from thaniya_core.cli.context import server_of
from thaniya_core.cli.forced_command import serve_caller


def broker(context: typer.Context, user: Annotated[str, typer.Argument(help="Who was let in.")]) -> None:
    """Carry out the command in SSH_ORIGINAL_COMMAND for a user: sshd's forced command.

    Example: SSH_ORIGINAL_COMMAND=backups thaniya broker alice
    """
    raise typer.Exit(serve_caller(server_of(context), user))
