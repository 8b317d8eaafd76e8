"""`thaniya log`."""

from __future__ import annotations

import os
import select
import sys
from collections import deque
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
import typer

from thaniya_core.cli.context import server_of
from thaniya_core.cli.output import JsonOption, format_time, print_records
from thaniya_core.errors import ExitCode
from thaniya_core.formats.quantities import parse_duration
from thaniya_core.model import Event
from thaniya_core.server import Server
from thaniya_core.store import LogPlace
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import show_json

_LOOK_S = 0.5
"""Between two looks for new events."""


def log(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="How far back: 90s, 12h, 7d.")] = "31d",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 100,
    failed: Annotated[bool, typer.Option("--failed", help="Failures only.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the audit log: who did what, when, with what result.

    Example: thaniya log --since 12h --failed
    """
    server = server_of(context)
    start = server.clock.now() - timedelta(seconds=parse_duration(since))
    if follow:
        _follow(server, start, limit, failed, as_json)
        return
    events = deque((event for event in server.events(start) if not (failed and event.ok)), maxlen=limit)
    if as_json:
        for event in events:
            _show_line(event, as_json=True)
        return
    rows = [_cells(event) for event in events]
    print_records(list(events), ["time", "actor", "action", "result", "subject", "detail"], rows, False, "no events")


def _follow(server: Server, start: datetime, limit: int, failed: bool, as_json: bool) -> None:
    """Show events as they come. Ends as `tail -f` does: by Ctrl-C, or quietly when nobody reads any more."""
    place = LogPlace.at_month(start)
    shown: deque[Event] = deque(maxlen=limit)
    try:
        while True:
            for event, after in server.store.read_events_after(place):
                place = after
                if event.at >= start and not (failed and event.ok):
                    shown.append(event)
            while shown:
                _show_line(shown.popleft(), as_json)
            shown = deque()  # from now on everything is shown
            sys.stdout.flush()
            if not _is_read(_LOOK_S):
                return
    except BrokenPipeError:
        # What is left in the buffer goes nowhere: otherwise Python complains about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _is_read(wait_s: float) -> bool:
    """Wait a while; False as soon as the reader of our pipe has gone."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return not any(happened & (select.POLLERR | select.POLLHUP) for _, happened in poll.poll(wait_s * 1000))


def _cells(event: Event) -> list[str]:
    result = "ok" if event.ok else "FAILED"
    return [format_time(event.at), event.actor, event.action, result, event.subject or "-", event.detail or "-"]


def _show_line(event: Event, as_json: bool) -> None:
    if as_json:
        show_json({"message_type": "event", **msgspec.to_builtins(event)})
    else:
        print(make_harmless("  ".join(_cells(event))))
