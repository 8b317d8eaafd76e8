"""`thaniya`: the headless commands of the server."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from thaniya_core import __version__
from thaniya_core.cli import (
    backup,
    broker,
    catalog,
    check,
    demo,
    doctor,
    init,
    job,
    log,
    metrics,
    notify,
    overview,
    retention,
    schedule,
    series,
    serve,
    setup,
    slot,
    tui,
    upload,
    user,
    volume,
)
from thaniya_core.cli.process import set_up_log, tell_failure
from thaniya_core.errors import ExitCode, ThaniyaError, WrongUsage
from thaniya_core.system.harmless import make_harmless

app = typer.Typer(
    name="thaniya",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Run a Thaniya backup server. Every command has --help with an example, and --json.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with warnings, 4 not found, 5 not allowed, 6 busy, "
    "7 no space, 8 integrity, 130 interrupted.",
)
app.command("init")(init.init)
app.add_typer(setup.app, name="setup")
app.command("serve")(serve.serve)
app.command("tick")(serve.tick)
app.command("demo")(demo.demo)
app.command("tui")(tui.tui)
app.command("doctor")(doctor.doctor)
app.command("overview")(overview.overview)
app.command("check", cls=check.PluginCommand)(check.check)
app.command("metrics")(metrics.metrics)
app.command("schedule")(schedule.schedule)
app.add_typer(notify.app, name="notify")
app.add_typer(user.app, name="user")
app.add_typer(slot.app, name="slot")
app.add_typer(volume.app, name="volume")
app.add_typer(upload.app, name="upload")
app.add_typer(backup.app, name="backup")
app.add_typer(series.app, name="series")
app.add_typer(retention.app, name="retention")
app.add_typer(catalog.app, name="catalog")
app.add_typer(job.app, name="job")
app.command("log")(log.log)
app.command("broker", hidden=True)(broker.broker)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"thaniya {__version__}")
        raise typer.Exit


@app.callback()
def root(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="Configuration file. [default: $THANIYA_CONFIG, ./thaniya.toml, /etc/thaniya/…]"
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell more on stderr.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Set up what all commands share."""
    set_up_log(logging.INFO if verbose else logging.WARNING)


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code."""
    try:
        if "--json" in arguments:
            return _run_for_a_program(arguments)
        app(list(arguments), prog_name="thaniya")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or ExitCode.DONE
        print(f"thaniya: {make_harmless(str(end.code))}", file=sys.stderr)
        return ExitCode.FAILED
    except (ThaniyaError, OSError) as error:
        return tell_failure(error, arguments)
    return ExitCode.DONE


def _run_for_a_program(arguments: Sequence[str]) -> int:
    """Run one command so that wrong usage is told in JSON as any other error."""
    try:
        exit_code = app(list(arguments), prog_name="thaniya", standalone_mode=False)
    except Exception as error:
        # typer keeps the class of its errors of usage to itself; this is what tells them from others.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        command = "thaniya" if context is None else context.command_path
        raise WrongUsage(error.format_message(), hint=f"see `{command} --help`") from error
    return exit_code if isinstance(exit_code, int) else ExitCode.DONE
