"""`thaniya schedule`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from msgspec.structs import asdict

from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption, format_time, print_records
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.quantities import format_duration
from thaniya_core.jobs import ScheduledTask, TaskState


def schedule(
    context: typer.Context,
    run: Annotated[str, typer.Option(metavar="NAME", help="Run this part now, and wait for its end.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what is done again and again: how often, when it ran last, how that ended, and when it runs next.

    `thaniya serve` does all this, or `thaniya tick`; the intervals are those of [schedule] in thaniya.toml.

    Example: thaniya schedule --run retention
    """
    server = server_of(context)
    tasks = [server.schedule.run_now(run, actor())] if run else server.schedule.show()
    now = server.clock.now()
    columns = ["name", ">every", "last run", "next", "state", "what was done"]
    print_records(map(_record, tasks), columns, [_row(task, now) for task in tasks], as_json, "nothing is scheduled")
    if run and tasks[0].failure:
        raise ThaniyaError(f"{run} failed: {tasks[0].failure}")


def _record(task: ScheduledTask) -> dict[str, object]:
    last = {name: value for name, value in asdict(task.last).items() if name not in ("name", "failure", "claim_until")}
    return {name: value for name, value in asdict(task).items() if name != "last"} | last


def _row(task: ScheduledTask, now: datetime) -> list[str]:
    next_at = "now" if task.state is TaskState.DUE else format_time(task.next_at)
    return [
        task.name,
        format_duration(task.every_s) if task.every_s else "-",
        format_time(max((each for each in (task.last.began_at, task.last.ran_at) if each), default=None)),
        next_at,
        _state(task, now),
        _outcome(task),
    ]


def _outcome(task: ScheduledTask) -> str:
    if task.failure:
        return f"FAILED, last good {format_time(task.last.ran_at)}: {task.failure}"
    return task.why_off or task.last.detail or "-"


def _state(task: ScheduledTask, now: datetime) -> str:
    if task.state is TaskState.RUNNING and task.last.began_at is not None:
        return f"running for {format_duration((now - task.last.began_at).total_seconds())}"
    return task.state.value
