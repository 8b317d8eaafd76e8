"""`thaniya log`."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from thaniya_core.cli.context import server_of
from thaniya_core.cli.output import JsonOption, format_time, print_records
from thaniya_core.formats.quantities import parse_duration
from thaniya_core.system.terminal import show_json

_LONGEST_S = 1000 * 365 * 86400
"""Longer than any log; more cannot be taken from a date."""


def log(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="How far back: 90s, 12h, 7d.")] = "31d",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 100,
    failed: Annotated[bool, typer.Option("--failed", help="Failures only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the audit log: who did what, when, with what result.

    Example: thaniya log --since 12h --failed
    """
    server = server_of(context)
    start = server.clock.now() - timedelta(seconds=min(parse_duration(since), _LONGEST_S))
    events = deque((event for event in server.events(start) if not (failed and event.ok)), maxlen=limit)
    if as_json:
        for event in events:
            show_json({"message_type": "event", **msgspec.to_builtins(event)})
        return
    rows = [
        [
            format_time(event.at),
            event.actor,
            event.action,
            "ok" if event.ok else "FAILED",
            event.subject or "-",
            event.detail or "-",
        ]
        for event in events
    ]
    print_records(list(events), ["time", "actor", "action", "result", "subject", "detail"], rows, False, "no events")
