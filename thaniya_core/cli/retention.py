"""`thaniya retention …`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption, format_time, print_facts, print_records
from thaniya_core.errors import NotFound, ThaniyaError, WrongUsage
from thaniya_core.formats.names import Series, parse_series
from thaniya_core.formats.quantities import format_size
from thaniya_core.monitor import RETENTION_RUN
from thaniya_core.retention import Candidate, Pruned, SeriesPlan, make_plan, parse_policy
from thaniya_core.server import Server
from thaniya_core.system.files import os_errors
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import show_json, show_table

app = typer.Typer(no_args_is_help=True, help="What is kept, and for how long.")


Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="`default`, a user, or a series: user/host/name.")]
Users = Annotated[str, typer.Option("--user", help="Series of this user only.")]
Names = Annotated[list[str] | None, typer.Option("--series", help="This series only: user/host/name.")]


class _Shown(Struct, frozen=True):
    """A policy that was set."""

    scope: str
    policy: str
    set_in: str
    series: int
    """So many series with backups it holds for."""


@app.command("show")
def show(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the policies that were set, and how many series each holds for now.

    The policy of a series goes before its user's, that before the default.

    Example: thaniya retention show
    """
    server = server_of(context)
    held = _count_series(server)
    records = [
        _Shown(each.scope, str(each.policy), "thaniya.toml" if each.is_configured else "state", held[each.scope])
        for each in server.retention_settings.all()
    ]
    rows = [[each.scope, each.policy or "keep everything", each.set_in, str(each.series)] for each in records]
    print_records(records, ["scope", "policy", "set in", ">series"], rows, as_json, "no policy: everything is kept")


def _count_series(server: Server) -> Counter[str]:
    """How many series with backups the policy of each scope holds for. None is the sign of a mistyped scope."""
    return Counter(applied.scope for _, applied in server.retention_settings.of_each(server.store.catalog_series()))


@app.command("set")
def set_policy(
    context: typer.Context,
    scope: Scope,
    policy: Annotated[str, typer.Argument(help='What is kept: "keep-daily=7 keep-weekly=4"; "" keeps everything.')],
    as_json: JsonOption = False,
) -> None:
    """Set what is kept of a series, of a user's series, or of all that have no policy of their own.

    Nothing is removed at once: look at `thaniya retention plan`. The schedule applies it within a day.

    Example: thaniya retention set alice/web1/nightly "keep-daily=7 keep-weekly=4 keep-monthly=12"
    """
    parsed = parse_policy(policy)
    server = server_of(context)
    server.retention_settings.set(scope, parsed, actor())
    held = _count_series(server)[scope]
    facts = [
        ("scope", scope),
        ("policy", str(parsed) or "keep everything"),
        ("holds for", f"{held} series" if held else "no series that has backups"),
    ]
    print_facts({"scope": scope, "policy": str(parsed), "series": held}, facts, as_json)


@app.command("unset")
def unset(context: typer.Context, scope: Scope, as_json: JsonOption = False) -> None:
    """Take back what `retention set` said of a scope.

    Example: thaniya retention unset alice/web1/nightly
    """
    server_of(context).retention_settings.unset(scope, actor())
    print_facts({"scope": scope}, [("taken back", scope)], as_json)


@app.command("plan")
def plan(
    context: typer.Context,
    series: Names = None,
    user: Users = "",
    policy: Annotated[
        str | None, typer.Option(help='Try this policy instead of those that are set: "keep-daily=7 keep-weekly=4".')
    ] = None,
    removals: Annotated[bool, typer.Option("--removals", help="Show only what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what the policies keep and remove, each backup with its reasons. Nothing is changed.

    Example: thaniya retention plan --series alice/web1/nightly
    """
    tried = None if policy is None else parse_policy(policy)
    server = server_of(context)
    chosen = _chosen(server, series, user)
    plans = server.retention.plan(chosen) if tried is None else server.retention.preview(chosen, tried)
    _show_plans(plans, removals, as_json)


@app.command("apply")
def apply(
    context: typer.Context,
    series: Names = None,
    user: Users = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what the policies do not keep. Each series is planned anew; one that fails does not stop the others.

    Example: thaniya retention apply --dry-run
    """
    server = server_of(context)
    chosen = _chosen(server, series, user)
    if dry_run:
        _show_plans(server.retention.plan(chosen), True, as_json)
        return
    failures: list[ThaniyaError] = []
    for result in server.retention.apply_each(chosen, actor()):
        if isinstance(result, Pruned):
            _show_pruned(result, as_json)
            continue
        failures.append(result.error)
        if as_json:
            show_json({"message_type": "failed", "series": str(result.series), "error": result.error.message})
    if not failures and not user and not series:
        server.schedule.note_run(RETENTION_RUN, f"{len(chosen)} series by {actor()}")
    if len(failures) == 1:
        raise failures[0]
    if failures:
        for error in failures if not as_json else ():
            print(make_harmless(str(error)), file=sys.stderr)
        raise ThaniyaError(f"{len(failures)} of {len(chosen)} series failed")


def _chosen(server: Server, series: list[str] | None, user: str) -> list[Series]:
    known = server.store.catalog_series()
    wanted = [parse_series(text) for text in series or []]
    for each in wanted:
        if each not in known:
            raise NotFound(f"there is no backup of the series {each}", hint="see `thaniya backup list`")
    chosen = [each for each in wanted or known if not user or each.user == user]
    if user and not chosen:
        raise NotFound(f"there is no backup of the user {user} here", hint="see `thaniya backup list`")
    return chosen


def _show_pruned(pruned: Pruned, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "message_type": "pruned",
                "series": str(pruned.series),
                "removed": [backup.id for backup in pruned.removed],
                "freed_bytes": pruned.freed_bytes,
                "absent": [backup.id for backup in pruned.absent],
            }
        )
        return
    if pruned.removed:
        print(f"{pruned.series}: {len(pruned.removed)} removed, {format_size(pruned.freed_bytes)}")
    if pruned.absent:
        print(f"{pruned.series}: {len(pruned.absent)} are to be removed, but their volume is not there")


def _show_plans(plans: Iterable[SeriesPlan], removals: bool, as_json: bool) -> None:
    count = 0
    kept_bytes = removed_bytes = kept = removed = 0
    for planned in plans:
        _show_plan(planned, removals, as_json)
        count += 1
        kept, kept_bytes = kept + len(planned.plan.kept), kept_bytes + planned.kept_bytes
        removed, removed_bytes = removed + len(planned.plan.removed), removed_bytes + planned.removed_bytes
    if as_json:
        return
    if not count:
        print("no backup is here")
    elif removals and not removed:
        print(f"nothing to remove; {kept} kept, {format_size(kept_bytes)}")
    elif count > 1:
        print(
            f"{count} series: {kept} kept, {format_size(kept_bytes)}; {removed} to remove, {format_size(removed_bytes)}"
        )


def _show_plan(planned: SeriesPlan, removals: bool, as_json: bool) -> None:
    decisions = planned.plan.removed if removals else planned.plan.decisions
    if as_json:
        for decision in decisions:
            backup = planned.backups[decision.candidate.id]
            show_json(
                {
                    "message_type": "decision",
                    "series": str(planned.series),
                    "id": backup.id,
                    "time": decision.candidate.at,
                    "keep": decision.keep,
                    "reasons": decision.reasons,
                    "stored_bytes": backup.document.stored_bytes,
                }
            )
        return
    if not decisions:
        return
    applied = planned.applied
    print(
        f"{planned.series}: {applied.policy or 'keep everything'}"
        + (f" (set for {applied.scope})" if applied.scope else "")
    )
    rows = [
        [
            decision.candidate.id,
            format_time(decision.candidate.at),
            format_size(planned.backups[decision.candidate.id].document.stored_bytes),
            "keep" if decision.keep else "remove",
            ", ".join(decision.reasons),
        ]
        for decision in decisions
    ]
    show_table(["id", "time", ">stored", "", "why"], rows)
    print(
        f"{len(planned.plan.kept)} kept, {format_size(planned.kept_bytes)}; "
        f"{len(planned.plan.removed)} to remove, {format_size(planned.removed_bytes)}\n"
    )


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
        if moment is None or moment.tzinfo is None or not 1970 <= moment.year <= 9000:
            raise WrongUsage(
                f"line {number}: {text!r} is no time of a backup with an offset",
                hint="write it like 2026-03-31T02:00:00Z",
            )
        yield text, moment
