"""`thaniya notify …`."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from thaniya_core.cli.context import server_of
from thaniya_core.cli.output import JsonOption, print_records
from thaniya_core.errors import ThaniyaError, WrongState
from thaniya_core.monitor import Sent

app = typer.Typer(no_args_is_help=True, help="Who is told when something goes wrong, or right again.")


@app.command("test")
def test(context: typer.Context, as_json: JsonOption = False) -> None:
    """Send a test message through every channel of [notify] in thaniya.toml.

    Exit code 1 when one does not come through.

    Example: thaniya notify test
    """
    notifier = server_of(context).monitoring.notifier
    if not notifier.channels:
        raise WrongState("no channel is configured", hint="name one in [notify] of thaniya.toml")
    _show(notifier.try_out(), as_json)


@app.command("send")
def send(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check the server and tell every channel what has changed since it was told last; send the pings that are due.

    For cron. Nothing is sent while nothing changes, but for reminders of what is critical.

    Example: thaniya notify send
    """
    told = server_of(context).monitoring.tell()
    if told is None:
        _show([], as_json, "another process is just telling it")
    else:
        _show(told.sent, as_json)


def _show(sent: Sequence[Sent], as_json: bool, empty: str = "nothing to tell") -> None:
    rows = [[each.channel, str(each.changes), each.reason or "sent"] for each in sent]
    print_records(sent, ["channel", ">changes", "result"], rows, as_json, empty)
    failed = [each.channel for each in sent if each.reason]
    if failed:
        raise ThaniyaError(f"not told: {', '.join(failed)}", hint="the next check will say so too")
