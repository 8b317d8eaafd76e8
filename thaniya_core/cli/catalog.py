"""`thaniya catalog …`."""

from __future__ import annotations

import typer

from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption, print_facts
from thaniya_core.errors import ExitCode

app = typer.Typer(no_args_is_help=True, help="The index of backups.")


@app.callback()
def root() -> None:
    """Keep `rebuild` a command of its own."""


@app.command("rebuild")
def rebuild(context: typer.Context, as_json: JsonOption = False) -> None:
    """Make the catalog anew from the volumes that are there.

    Example: thaniya catalog rebuild
    """
    report = server_of(context).rebuild_catalog(actor())
    facts = [
        ("backups found", str(report.found)),
        ("new in the catalog", str(report.added)),
        ("gone from it", str(report.removed)),
    ]
    facts += [("not there", label) for label in report.missing_volumes]
    facts += [("unreadable", complaint) for complaint in report.unreadable]
    print_facts(report, facts, as_json)
    if report.unreadable:
        raise typer.Exit(ExitCode.WARNINGS)
