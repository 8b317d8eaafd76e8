"""`thaniya broker`: what sshd runs for a user."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from thaniya_core import __version__
from thaniya_core.callers import CallerServices
from thaniya_core.cli.context import server_of
from thaniya_core.gate.broker import run_command
from thaniya_core.gate.services import Caller


def broker(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="Who was let in.")] = "",
    probe: Annotated[bool, typer.Option("--probe", help="Only tell that it works here.")] = False,
) -> None:
    """Carry out the command in SSH_ORIGINAL_COMMAND for a user: sshd's forced command.

    Example: SSH_ORIGINAL_COMMAND=backups thaniya broker alice
    """
    if probe:
        server_of(context).store.read()
        print(f"thaniya {__version__}")
        return
    if not user:
        raise typer.BadParameter("name the user who was let in")
    peer = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    exit_code = run_command(
        CallerServices(server_of(context)),
        Caller(user, peer),
        os.environ.get("SSH_ORIGINAL_COMMAND", ""),
        sys.stdin.buffer,
        sys.stdout.buffer,
        sys.stderr.buffer,
    )
    raise typer.Exit(exit_code)
