"""`thaniya-client backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.options import AcceptNewOption, ConfigOption, JsonOption, connect, load
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.cli.progress import show_progress
from thaniya_client.tasks.directory import Directory, default_name
from thaniya_client.values import Report
from thaniya_core.errors import ExitCode
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.manifest import first_encrypted
from thaniya_core.formats.quantities import format_duration, format_size, parse_duration

_WARNINGS_SHOWN = 20


def backup(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Directories to back up.")],
    name: Annotated[str, typer.Option("--name", help="The series: backups of the same name belong together.")],
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", help="Leave out: '*.tmp' at any depth, 'build/*.o' from the directory on. Repeatable."
        ),
    ] = None,
    one_file_system: Annotated[
        bool, typer.Option("--one-file-system", help="Leave out what is mounted below.")
    ] = False,
    xattrs: Annotated[bool, typer.Option("--xattrs", help="Extended attributes too.")] = False,
    acls: Annotated[bool, typer.Option("--acls", help="Access control lists too.")] = False,
    compression: Annotated[Compression, typer.Option("--compression", help="How to compress.")] = Compression.GZIP,
    level: Annotated[int | None, typer.Option("--level", min=0, max=9, help="The compressor's level.")] = None,
    incremental: Annotated[
        bool,
        typer.Option("--incremental", help="Only what has changed; all of it every 7 days, or when that is better."),
    ] = False,
    patience: Annotated[
        str,
        typer.Option(
            "--patience",
            help="How long to try again while there is no free slot, or as many uploads as you may have.",
        ),
    ] = "10m",
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A word to find the backup by. Repeatable.")] = None,
    encrypt_to: Annotated[
        list[str] | None,
        typer.Option(
            "--encrypt-to", metavar="KEY", help="A public key (age1…, ssh-ed25519 …), or a file of them. Repeatable."
        ),
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Only tell what would be done.")] = False,
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Back up directories; ends when the backup is archived, checked and durable.

    Example: thaniya-client backup /home /etc --name nightly --exclude .cache
    """
    names = archive_names([path.absolute() for path in paths])
    tasks = [
        Directory(
            path,
            name=archive_name,
            exclude=exclude or (),
            one_file_system=one_file_system,
            xattrs=xattrs,
            acls=acls,
            compression=compression,
            level=level,
            incremental=incremental,
        )
        for path, archive_name in zip(paths, names, strict=True)
    ]
    settings = load(config)
    with connect(settings, accept_new) as target:
        with show_progress(as_json) as on_progress:
            report = target.backup(
                *tasks,
                name=name,
                host=settings.host or None,
                patience_s=parse_duration(patience),
                on_progress=on_progress,
                tags=tag or (),
                encrypt_to=encrypt_to or (),
                simulate=simulate,
            )
        if as_json:
            print_json("report", report)
        elif simulate:
            for line in report.plan:
                print_line(line)
        else:
            _print_report(report)
    if report.warning_count:
        raise typer.Exit(ExitCode.WARNINGS)


def archive_names(paths: list[Path]) -> list[str]:
    """A name for each directory's archive: its own name, or the whole path where names would be the same twice."""
    short = [default_name(path) for path in paths]
    return [
        name if short.count(name) == 1 else default_name(Path("-".join(path.parts[1:])))
        for path, name in zip(paths, short, strict=True)
    ]


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
