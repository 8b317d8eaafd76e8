"""`thaniya retention …`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.cli.output import JsonOption, format_time, print_records
from thaniya_core.errors import WrongUsage
from thaniya_core.retention import Candidate, make_plan, parse_policy
from thaniya_core.system.files import os_errors

app = typer.Typer(no_args_is_help=True, help="What is kept, and for how long.")


@app.callback()
def root() -> None:
    """Keep `simulate` a command of its own."""


class _Simulated(Struct, frozen=True):
    """What becomes of a backup of that time."""

    time: str
    keep: bool
    reasons: tuple[str, ...]


@app.command("simulate")
def simulate(
    policy: Annotated[str, typer.Option(help='What is kept: "keep-daily=7 keep-weekly=4".')],
    times: Annotated[str, typer.Option(help="A file with a time (RFC 3339) a line; `-` is stdin.")],
    minimum: Annotated[int | None, typer.Option(min=0, help="So many stay whatever the rules say.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Try a policy on paper: no server is needed, nothing is changed.

    Example: thaniya retention simulate --policy "keep-daily=7 keep-weekly=4" --times times.txt
    """
    parsed = parse_policy(policy)
    if minimum is not None:
        parsed = replace(parsed, minimum=minimum)
    given = list(_parse_times(_read_lines(times)))
    plan = make_plan([Candidate(f"{number:09}", moment) for number, (_, moment) in enumerate(given)], parsed)
    records = [
        _Simulated(given[int(decision.candidate.id)][0], decision.keep, decision.reasons) for decision in plan.decisions
    ]
    rows = [
        [format_time(decision.candidate.at), "keep" if decision.keep else "remove", ", ".join(decision.reasons)]
        for decision in plan.decisions
    ]
    print_records(records, ["time", "", "why"], rows, as_json, "no times were given")
    if records and not as_json:
        print(f"{len(plan.kept)} of {len(records)} kept")


def _read_lines(times: str) -> list[str]:
    if times == "-":
        return sys.stdin.read().splitlines()
    with os_errors(f"read {times}"):
        return Path(times).read_text("utf-8", "replace").splitlines()


def _parse_times(lines: Iterable[str]) -> Iterable[tuple[str, datetime]]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise WrongUsage(
                f"line {number}: {text!r} is no time with an offset", hint="write it like 2026-03-31T02:00:00Z"
            )
        yield text, moment
