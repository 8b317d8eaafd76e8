"""Puts the subcommands together, and turns errors and signals into messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import typer

from thaniya_client.cli import backup, browse, check, fetch, keygen, profiles, restore, schedule, search, setup
from thaniya_core.errors import ExitCode, ThaniyaError
from thaniya_core.system.files import from_os_error
from thaniya_core.system.terminal import show_error

app = typer.Typer(
    name="thaniya-client",
    help="Make and restore backups. Every command has --help with an example.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with warnings, 4 not found, 5 not allowed, 6 busy, "
    "7 no space, 8 integrity, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("init")(setup.init)
app.command("keygen")(keygen.keygen)
app.command("backup")(backup.backup)
app.command("profiles")(profiles.profiles)
app.add_typer(schedule.app, name="schedule")
app.command("list")(browse.list_backups)
app.command("files")(browse.files)
app.command("restore")(restore.restore)
app.command("fetch")(fetch.fetch)
app.command("find")(search.find)
app.command("diff")(search.diff)
app.command("check")(check.check)


def main() -> NoReturn:
    """The entry point of the command `thaniya-client`."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code."""
    try:
        app(list(arguments), prog_name="thaniya-client")
    except SystemExit as end:
        return _exit_code(end)
    except ThaniyaError as error:
        return _fail(error, arguments)
    except BrokenPipeError:
        _forget_stdout()  # as under `| head`: who reads has seen enough
        return ExitCode.DONE
    except OSError as error:
        return _fail(from_os_error("do this", error), arguments)
    return ExitCode.DONE


def _forget_stdout() -> None:
    """Have what is still to be written go nowhere, or the interpreter complains at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _exit_code(end: SystemExit) -> int:
    """The code of a SystemExit as Python's interpreter understands it: none is 0, a text is printed and is 1."""
    if end.code is None or isinstance(end.code, int):
        return end.code or ExitCode.DONE
    print(end.code, file=sys.stderr)
    return ExitCode.FAILED


def _fail(error: ThaniyaError, arguments: Sequence[str]) -> int:
    show_error("thaniya-client", error, as_json="--json" in arguments)
    return error.exit_code


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
