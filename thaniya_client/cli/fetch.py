"""`thaniya-client fetch`."""

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
from thaniya_core.errors import AlreadyExists, WrongUsage
from thaniya_core.system.files import os_errors


def fetch(
    backup_id: BackupArgument,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="client.log, RESTORE.txt, home.tar.gz …; with --into none: all."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write one file to this new file. Default: stdout.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="Write files under their names into this directory.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --into: replace files of the same names.")
    ] = False,
    identity: IdentityOption = None,
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy one file of a backup as it is stored, or by the name it was uploaded under, as it was uploaded.

    With --identity and its name without .age an encrypted file comes decrypted. With --into files come as they are
    stored, all of them if none is named: `sh RESTORE.txt` then restores the backup.

    Example: thaniya-client fetch 20261123T211500Z-7f3a2c client.log

    Example: thaniya-client fetch 20261123T211500Z-7f3a2c --into /mnt/disk/20261123T211500Z-7f3a2c
    """
    names = files or []
    if into is not None:
        if output is not None or identity:
            raise WrongUsage("--into takes neither --output nor --identity", hint="with --into files come as stored")
        _fetch_files(backup_id, names, into, config, overwrite=overwrite, accept_new=accept_new, as_json=as_json)
        return
    if len(names) != 1 or overwrite:
        raise WrongUsage("fetch wants ID FILE, or ID [FILE]... --into DIR", hint="--overwrite goes with --into")
    file = names[0]
    if output is None and as_json:
        raise WrongUsage("--json needs --output: the file itself goes to stdout", hint=f"add --output {file}")
    with connect(load(config), accept_new) as place:
        if output is None:
            place.fetch(backup_id, file, sys.stdout.buffer, identities=identity or ())
            sys.stdout.buffer.flush()
            return
        size_bytes = _fetch_into(place, backup_id, file, output, identity or [])
    if as_json:
        _print_fetched(backup_id, file, output, size_bytes)


def _fetch_files(
    backup_id: str,
    names: list[str],
    into: Path,
    config: Path | None,
    *,
    overwrite: bool,
    accept_new: bool,
    as_json: bool,
) -> None:
    with connect(load(config), accept_new) as place, show_progress(as_json) as on_progress:
        written = place.fetch_files(backup_id, into=into, files=names, overwrite=overwrite, on_progress=on_progress)
    for path in written:
        if as_json:
            _print_fetched(backup_id, path.name, path, path.stat().st_size)
    if not as_json:
        print_line(f"fetched: {len(written)} files of {backup_id} into {into}, all sums right")


def _print_fetched(backup_id: str, file: str, output: Path, size_bytes: int) -> None:
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
