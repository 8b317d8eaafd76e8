"""`thaniya-client restore` and `fetch`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.options import (
    AcceptNewOption,
    BackupArgument,
    ConfigOption,
    IdentityOption,
    JsonOption,
    connect,
    load,
)
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.cli.progress import show_progress
from thaniya_client.target import Target
from thaniya_core.errors import AlreadyExists, ExitCode, WrongUsage
from thaniya_core.formats.quantities import format_duration, format_size
from thaniya_core.system.files import os_errors


def restore(
    backup_id: BackupArgument,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A directory that is empty or not there yet.")],
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Only these, as `files` lists them.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same names.")] = False,
    identity: IdentityOption = None,
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup, or some paths of it.

    Example: thaniya-client restore 20261123T211500Z-7f3a2c /tmp/restored alice/notes.txt
    """
    with connect(load(config), accept_new) as place, show_progress(as_json) as on_progress:
        restored = place.restore(
            backup_id,
            into=target,
            paths=paths or (),
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


def fetch(
    backup_id: BackupArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help="client.log, RESTORE.txt, home.tar.gz …")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this new file. Default: stdout.")
    ] = None,
    identity: IdentityOption = None,
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy one file of a backup as it is stored, or by the name it was uploaded under, as it was uploaded.

    With --identity and its name without .age an encrypted file comes decrypted.

    Example: thaniya-client fetch 20261123T211500Z-7f3a2c client.log
    """
    if output is None and as_json:
        raise WrongUsage("--json needs --output: the file itself goes to stdout", hint=f"add --output {file}")
    with connect(load(config), accept_new) as place:
        if output is None:
            place.fetch(backup_id, file, sys.stdout.buffer, identities=identity or ())
            sys.stdout.buffer.flush()
            return
        size_bytes = _fetch_into(place, backup_id, file, output, identity or [])
    if as_json:
        print_json("fetched", {"id": backup_id, "file": file, "output": str(output), "size_bytes": size_bytes})


def _fetch_into(place: Target, backup_id: str, file: str, output: Path, identities: list[Path]) -> int:
    """Write a new file; a part of it is not left behind."""
    if output.exists():
        raise AlreadyExists(f"{output} is there already", hint="choose another name")
    with os_errors(f"write {output}"):
        try:
            with output.open("xb") as stream:
                return place.fetch(backup_id, file, stream, identities=identities)
        except BaseException:
            output.unlink(missing_ok=True)
            raise
