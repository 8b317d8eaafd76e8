"""Puts the subcommands together, and turns errors and signals into messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from thaniya_client.cli import backup, browse, restore, setup
from thaniya_client.cli.output import print_error
from thaniya_core.errors import ThaniyaError

INTERRUPTED = 130

app = typer.Typer(
    name="thaniya-client",
    help="Make and restore backups.\n\nExample: thaniya-client backup /home --name nightly",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    setup.init,
    backup.backup,
    browse.list_backups,
    browse.files,
    restore.restore,
    restore.fetch,
    setup.check,
):
    app.command(name={"list_backups": "list"}.get(command.__name__))(command)


def main() -> NoReturn:
    """Run the command; never returns."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command with arguments; gives its exit code."""
    as_json = "--json" in arguments
    try:
        result = app(args=arguments, prog_name="thaniya-client", standalone_mode=False)
    except ThaniyaError as exc:
        print_error(exc, as_json)
        return exc.exit_code
    except typer.TyperUsageError as exc:
        exc.show()
        return exc.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has what it wanted
        return 0
    return result if isinstance(result, int) else 0


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
