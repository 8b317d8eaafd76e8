"""`thaniya metrics`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thaniya_core.cli.context import server_of
from thaniya_core.cli.output import JsonOption
from thaniya_core.monitor import measure
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
    monitoring = server_of(context).monitoring
    report = monitoring.check()
    if textfile is not None:
        monitoring.write_metrics(report, textfile)
    elif as_json:
        show_json([gauge for gauge in measure(report) if gauge.samples])
    else:
        print(monitoring.metrics(report), end="")
