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

from thaniya_core import __version__
from thaniya_core.callers import CallerServices
from thaniya_core.cli.process import log_to_system, tell_failure
from thaniya_core.errors import ExitCode, ThaniyaError
from thaniya_core.gate.broker import run_command
from thaniya_core.gate.services import Caller
from thaniya_core.server import Server, open_server

PROBE = "--probe"


class ForcedCommand(Struct, frozen=True):
    """Which user's command is carried out, on which server."""

    user: str | None
    """None: `thaniya doctor` asks whether the broker runs."""
    config: Path | None = None


def parse_forced_command(arguments: Sequence[str]) -> ForcedCommand | None:
    """The calls that the key look-up prescribes, `[--config FILE] broker USER|--probe`; None for any other."""
    match arguments:
        case ["broker", user]:
            config = None
        case ["--config", file, "broker", user] if file:
            config = Path(file)
        case _:
            return None
    if user == PROBE:
        return ForcedCommand(None, config)
    return None if user.startswith("-") else ForcedCommand(user, config)


def run_forced_command(command: ForcedCommand, arguments: Sequence[str]) -> int:
    """Carry the command out, with its own log and messages, and give the exit code."""
    log_to_system()
    try:
        server = open_server(command.config)
        if command.user is None:
            return answer_probe(server)
        return serve_caller(server, command.user)
    except (ThaniyaError, OSError) as error:
        return tell_failure(error, arguments)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def answer_probe(server: Server) -> int:
    """Tell that the broker runs here and reads its state."""
    server.store.read()
    print(f"thaniya {__version__}")
    return ExitCode.DONE


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
