"""`thaniya overview`."""

from __future__ import annotations

import shutil
import sys
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import typer

from thaniya_core.cli.context import server_of
from thaniya_core.cli.output import JsonOption
from thaniya_core.cli.overview_text import Line, Seen, overview_lines
from thaniya_core.monitor import CALENDAR_DAYS
from thaniya_core.system.terminal import show_json

_EVENTS = 6
_EVENTS_SINCE = timedelta(days=1)


def overview(
    context: typer.Context,
    days: Annotated[
        int, typer.Option("--days", min=1, max=CALENDAR_DAYS, help="So many days of the calendar.")
    ] = CALENDAR_DAYS,
    as_json: JsonOption = False,
) -> None:
    """Show everything at a glance: the verdict, uploads on their way, volumes, backups day by day, newest events.

    JSON has more of the series, volumes and users, and the uploads that ended lately.

    Example: thaniya overview --days 14
    """
    server = server_of(context)
    survey = server.surveys.make()
    if as_json:
        show_json(survey)
        return
    events = deque(server.events(survey.made_at - _EVENTS_SINCE), maxlen=_EVENTS)
    seen = Seen(survey, server.uploads.list_on_their_way(), list(events))
    is_screen = sys.stdout.isatty()
    _show(overview_lines(seen, days, shutil.get_terminal_size().columns if is_screen else None), is_screen)


def _show(lines: Iterable[Line], is_screen: bool) -> None:
    if not is_screen:
        for line in lines:
            print("".join(text for text, _ in line).rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(markup=False, highlight=False, emoji=False)
    for line in lines:
        console.print(Text.assemble(*line), no_wrap=True, overflow="ignore", crop=False)
