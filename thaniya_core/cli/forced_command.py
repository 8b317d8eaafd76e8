"""`thaniya broker USER` as sshd starts it: for each command of each client, so it begins without a parser of options.

Nothing here loads typer or rich, nor anything that only other commands need. What `parse_forced_command` does not know,
such as `--help`, is left to the command line in `main.py`, whose `broker` does the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_core.callers import CallerServices
from thaniya_core.cli.process import set_up_log, tell_failure
from thaniya_core.errors import ExitCode, ThaniyaError
from thaniya_core.gate.broker import run_command
from thaniya_core.gate.services import Caller
from thaniya_core.server import Server, open_server


class ForcedCommand(Struct, frozen=True):
    """Which user's command is carried out, on which server."""

    user: str
    config: Path | None = None


def parse_forced_command(arguments: Sequence[str]) -> ForcedCommand | None:
    """The call that `root.json` prescribes, `[--config FILE] broker USER`; None for any other."""
    match arguments:
        case ["broker", user]:
            config = None
        case ["--config", file, "broker", user] if file:
            config = Path(file)
        case _:
            return None
    return None if user.startswith("-") else ForcedCommand(user, config)


def run_forced_command(command: ForcedCommand, arguments: Sequence[str]) -> int:
    """Carry the command out, with its own log and messages, and give the exit code."""
    set_up_log()
    try:
        return serve_caller(open_server(command.config), command.user)
    except (ThaniyaError, OSError) as error:
        return tell_failure(error, arguments)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def serve_caller(server: Server, user: str) -> int:
    """Carry out what sshd was asked for, in SSH_ORIGINAL_COMMAND, for a user that it has let in."""
    peer = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    return run_command(
        CallerServices(server),
        Caller(user, peer),
        os.environ.get("SSH_ORIGINAL_COMMAND", ""),
        sys.stdin.buffer,
        sys.stdout.buffer,
        sys.stderr.buffer,
    )
