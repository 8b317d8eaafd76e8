"""Tells what a backup came to."""

from __future__ import annotations

import msgspec

from thaniya_client.cli.output import print_json, print_line
from thaniya_client.values import Report
from thaniya_core.formats.manifest import first_encrypted
from thaniya_core.formats.quantities import format_duration, format_size

_WARNINGS_SHOWN = 20


def show_report(report: Report, *, as_json: bool, quiet: bool, profile: str = "") -> None:
    """Print a report, or the plan of a simulation.

    Args:
        report: what the backup gave back.
        as_json: for programs.
        quiet: only what somebody should look at: warnings.
        profile: the one that was run; empty: none.
    """
    if as_json:
        print_json("report", {**({"profile": profile} if profile else {}), **msgspec.to_builtins(report, enc_hook=str)})
    elif report.state is None:
        for line in (*report.plan, *(f"warning: {warning}" for warning in report.warnings)):
            print_line(line)
    elif report.warning_count or not quiet:
        _print_report(report)


def _print_report(report: Report) -> None:
    print_line(
        f"{report.state}: {report.id} of {report.series}, {report.entries} entries, "
        f"{format_size(report.original_bytes)}, stored {format_size(report.stored_bytes)}, "
        f"in {format_duration(report.seconds)}"
    )
    if report.parent is not None:
        print_line(f"an increment on {report.parent}")
    elif report.full_because:
        print_line(f"a full backup: {report.full_because}")
    for warning in report.warnings[:_WARNINGS_SHOWN]:
        print_line(f"warning: {warning}")
    if report.warning_count > _WARNINGS_SHOWN:
        identity = "--identity FILE " if first_encrypted(report.files) else ""
        print_line(f"warning: {report.warning_count} in all: thaniya-client fetch {identity}{report.id} client.log")
