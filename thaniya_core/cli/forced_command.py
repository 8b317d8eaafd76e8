"""`thaniya broker USER` as sshd starts it: for each command of each client, so it begins without a parser of options.

Nothing here loads typer or rich, nor anything that only other commands need. What `parse_forced_command` does not know,
such as `--help`, is left to the command line in `main.py`, whose `broker` does the same.
"""

from __future__ import annotations

import os
import re
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

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class ForcedCommand(Struct, frozen=True):
    """Which user's command is carried out, on which server."""

    user: str | None
    """None: `thaniya doctor` asks whether the broker runs."""
    config: Path | None = None
    key: str = ""
    """The fingerprint of the key that let it in; empty where the key look-up is of an earlier version."""


def parse_forced_command(arguments: Sequence[str]) -> ForcedCommand | None:
    """The calls that the key look-up prescribes, `[--config FILE] broker USER [--key FINGERPRINT]` or `--probe`; None
    for any other."""
    config = None
    match arguments:
        case ["--config", file, "broker", *_] if file:
            config, arguments = Path(file), arguments[2:]
    match arguments:
        case ["broker", "--probe"]:
            return ForcedCommand(None, config)
        case ["broker", user] if not user.startswith("-"):
            return ForcedCommand(user, config)
        case ["broker", user, "--key", key] if not user.startswith("-") and _FINGERPRINT.fullmatch(key):
            return ForcedCommand(user, config, key)
    return None


def run_forced_command(command: ForcedCommand, arguments: Sequence[str]) -> int:
    """Carry the command out, with its own log and messages, and give the exit code."""
    log_to_system()
    try:
        server = open_server(command.config)
        if command.user is None:
            return answer_probe(server)
        return serve_caller(server, command.user, command.key)
    except (ThaniyaError, OSError) as error:
        return tell_failure(error, arguments)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def answer_probe(server: Server) -> int:
    """Tell that the broker runs here and reads its state."""
    server.store.read()
    print(f"thaniya {__version__}")
    return ExitCode.DONE


def serve_caller(server: Server, user: str, key: str) -> int:
    """Carry out what sshd was asked for, in SSH_ORIGINAL_COMMAND, for a user that it has let in by a key."""
    peer = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    services = CallerServices(server)
    if key:
        services.note_key_use(key)
    return run_command(
        services,
        Caller(user, peer),
        os.environ.get("SSH_ORIGINAL_COMMAND", ""),
        sys.stdin.buffer,
        sys.stdout.buffer,
        sys.stderr.buffer,
    )
