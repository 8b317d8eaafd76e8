"""What every command needs: the server, and who runs the command."""

from __future__ import annotations

from pathlib import Path

import typer

from thaniya_core.server import Server, open_server
from thaniya_core.system.privileges import person


def server_of(context: typer.Context) -> Server:
    """The server that `--config` names, or the default one."""
    config = context.find_root().params.get("config")
    return open_server(Path(config) if config else None)


def actor() -> str:
    """The person behind the command, as the audit log shows it; behind sudo the one who called it."""
    return f"login:{person()}"
