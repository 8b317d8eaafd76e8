"""A run that is only told: what would be done, in its order. Nothing is written, run or sent."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from thaniya_client.around.actions import ReadyStep
from thaniya_client.around.limits import Limits
from thaniya_client.around.steps import Steps, step_text
from thaniya_client.encryption.recipients import Recipients
from thaniya_client.tasks.interface import Task, check_tools, describe_task
from thaniya_client.tasks.tools import Tool, find_tool
from thaniya_client.values import Report
from thaniya_core.errors import ThaniyaError, WrongUsage
from thaniya_core.formats.names import Series
from thaniya_core.formats.quantities import format_duration, format_size


def simulate_backup(
    place: str,
    series: Series,
    newest: str,
    tasks: Sequence[Task],
    steps: Steps,
    limits: Limits,
    tags: tuple[str, ...],
    recipients: Recipients | None = None,
) -> Report:
    """Tell what `run_backup` would do.

    Args:
        place: where to, as people call it.
        series: the backup's series.
        newest: the id of the newest backup of it there; empty where there is none.
        tasks, steps, limits, tags, recipients: as for the run.

    Raises:
        WrongUsage: there is nothing to back up.
        SourceFailed: a source or a program is not there. After steps before the backup it may be: it is a warning then.
    """
    if not tasks:
        raise WrongUsage("there is nothing to back up", hint='give at least one task, as Directory("/home")')
    plan = [f"a backup of {series} to {place}"]
    plan.append(f"the newest there is {newest}" if newest else "it would be the first of its series there")
    plan += [*_limit_lines(limits), *_before_lines(steps)]
    warnings: list[str] = []
    expected_bytes = 0
    for task in tasks:
        try:
            check_tools([task])
            estimated = task.estimate_bytes()
        except ThaniyaError as exc:
            if not steps.before:
                raise
            warnings.append(f"{exc}; after the steps before the backup it may be otherwise")
            estimated = None
        expected_bytes += estimated or 0
        size = "of unknown size" if estimated is None else f"{format_size(estimated)} before compression at the most"
        plan.append(f"back up {describe_task(task)}: {size}")
    if recipients is not None:
        plan.append(f"encrypt all of it to {len(recipients)} public key{'s' if len(recipients) != 1 else ''}")
    if tags:
        plan.append(f"tag it {', '.join(tags)}")
    plan += _after_lines(steps)
    return Report(
        id="",
        series=series,
        state=None,
        files=(),
        stored_bytes=0,
        original_bytes=expected_bytes,
        entries=0,
        warnings=tuple(warnings),
        warning_count=len(warnings),
        seconds=0.0,
        tags=tags,
        plan=tuple(plan),
    )


def _limit_lines(limits: Limits) -> Iterator[str]:
    if limits.retries:
        yield f"try up to {limits.retries + 1} times, {format_duration(limits.retry_pause_s)} apart"
    if limits.time_limit_s is not None:
        yield f"give up after {format_duration(limits.time_limit_s)}"
    if limits.bytes_per_s is not None:
        yield f"send no more than {format_size(limits.bytes_per_s)} a second"
    if limits.nice is not None:
        yield f"run with niceness {limits.nice}"
    if limits.idle_disk:
        yield "use the disk only while nobody else does"


def _before_lines(steps: Steps) -> Iterator[str]:
    check_tools(steps.before)
    for step in steps.before:
        if isinstance(step, ReadyStep):
            yield from (f"before: {action.what}: `{shlex.join(action.do)}`" for action in step.actions())
        else:
            _check_program(step)
            yield f"before: {step_text(step)}"


def _after_lines(steps: Steps) -> Iterator[str]:
    taken_back = [action for step in steps.before if isinstance(step, ReadyStep) for action in step.actions()]
    for action in reversed(taken_back):
        yield f"after: {action.undo_what}: `{shlex.join(action.undo)}`"
    for after in steps.after:
        _check_program(after)
        yield f"after: {step_text(after)}"
    for step in steps.on_error:
        _check_program(step)
        yield f"on an error: {step_text(step)}"


def _check_program(step: object) -> None:
    if isinstance(step, list | tuple):
        find_tool(Tool(str(step[0])))
