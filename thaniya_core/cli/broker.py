"""`thaniya broker`: what sshd runs for a user."""

from __future__ import annotations

from typing import Annotated

import typer

from thaniya_core.cli.context import server_of
from thaniya_core.cli.forced_command import answer_probe, serve_caller


def broker(
    context: typer.Context,
    user: Annotated[str | None, typer.Argument(help="Who was let in.")] = None,
    key: Annotated[str, typer.Option(help="The fingerprint of the key that let the user in.")] = "",
    probe: Annotated[bool, typer.Option("--probe", help="Only tell that it works here.")] = False,
) -> None:
    """Carry out the command in SSH_ORIGINAL_COMMAND for a user: sshd's forced command.

    Example: SSH_ORIGINAL_COMMAND=backups thaniya broker alice
    """
    if probe:
        answer_probe(server_of(context))
        return
    if user is None:
        raise typer.BadParameter("name the user who was let in")
    raise typer.Exit(serve_caller(server_of(context), user, key))
