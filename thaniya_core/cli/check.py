"""`thaniya check`: a monitoring plugin, as Nagios, Icinga and others call them."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from thaniya_core.cli.context import server_of
from thaniya_core.cli.output import JsonOption
from thaniya_core.errors import ThaniyaError
from thaniya_core.model import Severity
from thaniya_core.monitor import Report, plugin_output, status_line
from thaniya_core.server import Server
from thaniya_core.system.deadline import LateCall
from thaniya_core.system.terminal import show_json


class PluginCommand(TyperCommand):
    """A command whose wrong usage is UNKNOWN: exit code 2 would be CRITICAL."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Read the arguments."""
        as_json = "--json" in args
        try:
            return super().make_context(info_name, args, parent, **extra)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            message = error.format_message() if hasattr(error, "format_message") else str(error)
            _tell_unknown(message, "see thaniya check --help", as_json)
            raise typer.Exit(Severity.UNKNOWN.exit_code) from error


def check(
    context: typer.Context,
    lines: Annotated[int, typer.Option("--lines", min=0, help="Show so many findings, the worst first.")] = 50,
    timeout: Annotated[
        float, typer.Option("--timeout", "-t", min=0.1, help="Seconds after which it gives up as UNKNOWN.")
    ] = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Examine whether all is well: series, backups, volumes, uploads, jobs, slots, the service. Changes nothing.

    A monitoring plugin: one line with performance data, then a line a finding; exit code 0 ok, 1 warning, 2 critical,
    3 unknown.

    Example: thaniya check
    """
    try:
        server, report = LateCall(partial(_examine, context)).result(timeout, "the check")
    except ThaniyaError as error:
        _tell_unknown(error.message, error.hint, as_json)
    except Exception as error:  # noqa: BLE001 - whatever it is, a plugin says UNKNOWN
        _tell_unknown(f"{type(error).__name__}: {error}", "", as_json)
    else:
        if as_json:
            show_json(_record(report))
        else:
            print("\n".join(plugin_output(report, server.config.check, lines)))
        raise typer.Exit(report.status.exit_code)
    raise typer.Exit(Severity.UNKNOWN.exit_code)


def _examine(context: typer.Context) -> tuple[Server, Report]:
    server = server_of(context)
    return server, server.monitoring.check()


def _tell_unknown(message: str, hint: str, as_json: bool) -> None:
    status = Severity.UNKNOWN
    if as_json:
        show_json({"status": status, "exit_code": status.exit_code, "reason": message, "hint": hint, "findings": []})
    else:
        print(status_line(status, f"{message} ({hint})" if hint else message))


def _record(report: Report) -> dict[str, object]:
    return {
        "status": report.status,
        "exit_code": report.status.exit_code,
        "checked_at": report.checked_at,
        "series": len(report.series),
        "backups": sum(each.backups for each in report.series),
        "stored_bytes": sum(each.stored_bytes for each in report.series),
        "findings": report.findings,
    }
