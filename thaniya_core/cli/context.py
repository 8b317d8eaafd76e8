"""What every command needs: the server, and who runs the command."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import typer

from thaniya_core.config import GateKind, find_config, load_config
from thaniya_core.server import Server, find_service_user, open_server
from thaniya_core.system.privileges import call_as, login_actor


def server_of(context: typer.Context) -> Server:
    """The server that `--config` names, or the default one."""
    return open_server(given_config(context))


def call_with_server(context: typer.Context, step: Callable[[Server], str]) -> str:
    """Call a step with the server, and go on with the rights of who runs the command.

    `server_of` takes root's rights from the whole process; this from the step only, which then runs in a process of its
    own.
    """
    config = load_config(find_config(given_config(context)))
    if config.gate.kind is GateKind.OPENSSH and os.geteuid() == 0:
        return call_as(find_service_user(config), lambda: step(open_server(config.file)))
    return step(open_server(config.file))


def given_config(context: typer.Context) -> Path | None:
    """The file that `--config` names; None for the default."""
    config = context.find_root().params.get("config")
    return Path(config) if config else None


def actor() -> str:
    """The person behind the command, as the audit log shows it; behind sudo the one who called it."""
    return login_actor()
