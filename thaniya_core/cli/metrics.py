"""`thaniya metrics`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thaniya_core.cli.context import call_with_server, server_of
from thaniya_core.cli.output import JsonOption
from thaniya_core.monitor import measure
from thaniya_core.monitoring import write_textfile
from thaniya_core.server import Server
from thaniya_core.system.terminal import show_json


def metrics(
    context: typer.Context,
    textfile: Annotated[
        Path | None,
        typer.Option(help="Write them to this file, for node_exporter's textfile collector; its name ends in .prom."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print metrics in Prometheus' text format, or write them to a file at once.

    Example: thaniya metrics --textfile /var/lib/prometheus/node-exporter/thaniya.prom
    """
    if textfile is not None:
        # Root goes on with its rights: the collector's directory is none of the service user's business.
        write_textfile(textfile, call_with_server(context, _measure))
        if as_json:
            show_json({"textfile": str(textfile)})
    elif as_json:
        report = server_of(context).monitoring.check()
        show_json([gauge for gauge in measure(report) if gauge.samples])
    else:
        print(_measure(server_of(context)), end="")


def _measure(server: Server) -> str:
    return server.monitoring.metrics(server.monitoring.check())
