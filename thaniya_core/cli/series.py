"""`thaniya series …`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from msgspec import Struct

from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption, format_time, print_facts, print_records
from thaniya_core.errors import NotFound, WrongUsage
from thaniya_core.formats.names import Series, parse_series
from thaniya_core.formats.quantities import format_duration, format_size, parse_duration
from thaniya_core.monitor import Finding, SeriesFacts, examine_series, expected_rhythm
from thaniya_core.server import Server

app = typer.Typer(no_args_is_help=True, help="Series: the backups that belong together, and when the next is expected.")

Name = Annotated[str, typer.Argument(metavar="SERIES", help="user/host/name.")]


class _Shown(Struct, frozen=True):
    """A series as JSON shows it."""

    series: str
    backups: int
    stored_bytes: int
    last_good_at: datetime | None
    last_good_id: str | None
    expects: str
    """`set`, `learned`, `nothing` or `retired`."""
    every_s: int | None
    allowed_s: int | None
    """A backup that is older is late."""
    findings: tuple[Finding, ...]


@app.command("list")
def list_series(
    context: typer.Context,
    user: Annotated[str, typer.Option("--user", help="Series of this user only.")] = "",
    with_findings: Annotated[
        bool, typer.Option("--with-findings", help="Only those that something is wrong with.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List series with their last good backup and what is expected of them.

    Example: thaniya series list
    """
    server = server_of(context)
    shown = [
        record
        for facts in server.monitoring.series_facts()
        if not user or facts.series.user == user
        if (record := _describe(server, facts)).findings or not with_findings
    ]
    rows = [
        [
            each.series,
            str(each.backups),
            format_size(each.stored_bytes),
            format_time(each.last_good_at),
            _expectation(each),
            ", ".join(finding.code for finding in each.findings) or "ok",
        ]
        for each in shown
    ]
    columns = ["series", ">backups", ">stored", "last good", "expected", "state"]
    print_records(shown, columns, rows, as_json, "no series fits")


@app.command("show")
def show(context: typer.Context, series: Name, as_json: JsonOption = False) -> None:
    """Show one series: its last good backup, what is expected of it, and what is wrong with it.

    Example: thaniya series show alice/web1/nightly
    """
    server = server_of(context)
    record = _find(server, parse_series(series))
    facts = [
        ("series", record.series),
        ("backups", f"{record.backups}, {format_size(record.stored_bytes)}"),
        ("last good", f"{format_time(record.last_good_at)} {record.last_good_id or ''}".rstrip()),
        ("expected", _expectation(record)),
        *((finding.code, f"{finding.text} ({finding.cure})") for finding in record.findings),
    ]
    print_facts(record, facts, as_json)


@app.command("set")
def set_expectation(
    context: typer.Context,
    series: Name,
    expect_every: Annotated[str, typer.Option(help="How often a backup is expected: 1d, 12h, 1w.")] = "",
    grace: Annotated[str, typer.Option(help="So much later is in time. [default: a quarter of the interval]")] = "",
    retired: Annotated[bool, typer.Option("--retired", help="Expect nothing any more.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say when backups of a series are expected; `thaniya check` tells when none came. It need not have any yet.

    Example: thaniya series set alice/web1/nightly --expect-every 1d --grace 6h
    """
    if retired == bool(expect_every) or (retired and grace):
        raise WrongUsage("give either --expect-every, perhaps with --grace, or --retired")
    server, chosen = server_of(context), parse_series(series)
    if retired:
        server.expectations.retire(chosen, actor())
    else:
        grace_s = parse_duration(grace) if grace else None
        server.expectations.set(chosen, parse_duration(expect_every), grace_s, actor())
    record = _find(server, chosen)
    print_facts(record, [("series", record.series), ("expected", _expectation(record))], as_json)


@app.command("unset")
def unset(context: typer.Context, series: Name, as_json: JsonOption = False) -> None:
    """Take back what `series set` said; what the series' own rhythm shows is expected again.

    Example: thaniya series unset alice/web1/nightly
    """
    chosen = parse_series(series)
    server_of(context).expectations.unset(chosen, actor())
    print_facts({"series": str(chosen)}, [("taken back", str(chosen))], as_json)


def _find(server: Server, series: Series) -> _Shown:
    facts = next(server.monitoring.series_facts([series]), None)
    if facts is None:
        raise NotFound(f"nothing is known of the series {series}", hint="see `thaniya series list`")
    return _describe(server, facts)


def _describe(server: Server, facts: SeriesFacts) -> _Shown:
    limits = server.config.check
    rhythm = expected_rhythm(facts, learn=limits.learn)
    last = facts.last_good
    if rhythm is not None:
        expects = "learned" if rhythm.is_learned else "set"
    else:
        expects = "retired" if facts.expectation is not None else "nothing"
    return _Shown(
        series=str(facts.series),
        backups=len(facts.backups),
        stored_bytes=sum(backup.document.stored_bytes for backup in facts.backups),
        last_good_at=last.document.created_at if last is not None else None,
        last_good_id=last.id if last is not None else None,
        expects=expects,
        every_s=rhythm.every_s if rhythm is not None else None,
        allowed_s=rhythm.allowed_s if rhythm is not None else None,
        findings=tuple(examine_series(facts, limits, server.clock.now())),
    )


def _expectation(record: _Shown) -> str:
    if record.every_s is None or record.allowed_s is None:
        return "retired" if record.expects == "retired" else "nothing is set, and no rhythm is learned"
    learned = " (learned)" if record.expects == "learned" else ""
    return f"every {format_duration(record.every_s)}, late after {format_duration(record.allowed_s)}{learned}"
