"""`thaniya-client restore`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.options import (
    AcceptNewOption,
    ConfigOption,
    IdentityOption,
    JsonOption,
    connect,
    load,
)
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.cli.progress import show_progress
from thaniya_core.errors import ExitCode, WrongUsage
from thaniya_core.formats.quantities import format_duration, format_size


def restore(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[ID] TARGET [PATH]...",
            help="The backup, unless --at, --name or --host says which; a directory that is empty or not there yet, "
            "unless --stdout; only these paths, as `files` lists them.",
        ),
    ],
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="TIME",
            help="The newest good backup then: 2026-03-01 is the end of that day in local time; or RFC 3339.",
        ),
    ] = "",
    name: Annotated[str, typer.Option("--name", help="The newest good backup of this series.")] = "",
    host: Annotated[str, typer.Option("--host", help="The newest good backup of this host.")] = "",
    to_stdout: Annotated[bool, typer.Option("--stdout", help="Write one file to stdout: [ID] PATH.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same names.")] = False,
    identity: IdentityOption = None,
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup, or some paths of it.

    Example: thaniya-client restore 20261123T211500Z-7f3a2c /tmp/restored alice/notes.txt

    Example: thaniya-client restore --at 2026-03-01 --name nightly --stdout alice/notes.txt
    """
    is_by_id = not (at or name or host)
    rest = arguments[1:] if is_by_id else arguments
    if not rest or (to_stdout and (len(rest) != 1 or as_json or overwrite)):
        raise WrongUsage(
            "restore wants [ID] PATH --stdout, and nothing more"
            if to_stdout
            else "restore wants [ID] TARGET [PATH]...",
            hint="ID is left out where --at, --name or --host say which backup",
        )
    with connect(load(config), accept_new) as place:
        backup_id = arguments[0] if is_by_id else place.find_backup(name=name, host=host, at=at or None).id
        if to_stdout:
            place.restore_file(backup_id, rest[0], sys.stdout.buffer, identities=identity or ())
            sys.stdout.buffer.flush()
            return
        with show_progress(as_json) as on_progress:
            restored = place.restore(
                backup_id,
                into=Path(rest[0]),
                paths=rest[1:],
                overwrite=overwrite,
                on_progress=on_progress,
                identities=identity or (),
            )
    if as_json:
        print_json("restored", restored)
    else:
        print_line(
            f"restored: {restored.id} into {restored.into}, {format_size(restored.original_bytes)} "
            f"in {format_duration(restored.seconds)}, all sums right"
        )
        for warning in restored.warnings:
            print_line(f"warning: {warning}")
        if restored.recipes:
            print_line(
                f"what is left to do is at the end of RESTORE.txt: thaniya-client fetch {restored.id} RESTORE.txt"
            )
        for recipe in restored.recipes:
            print_line(f"  {recipe.title}")
    if restored.warnings:
        raise typer.Exit(ExitCode.WARNINGS)
