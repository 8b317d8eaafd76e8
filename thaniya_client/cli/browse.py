"""`thaniya-client list` and `files`."""

from __future__ import annotations

import sys

from thaniya_client.cli.options import (
    AcceptNewOption,
    BackupArgument,
    ConfigOption,
    HostOption,
    IdentityOption,
    JsonOption,
    NameOption,
    connect,
    load,
)
from thaniya_client.cli.output import print_json
from thaniya_core.formats.contents import ContentsEntry, encode_entry, escape_path
from thaniya_core.formats.protocol import BackupSummary
from thaniya_core.formats.quantities import format_size
from thaniya_core.system.terminal import show_table


def list_backups(
    name: NameOption = "",
    host: HostOption = "",
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """List your backups, the newest first.

    Example: thaniya-client list --name nightly
    """
    with connect(load(config), accept_new) as target:
        backups = target.backups(host=host, name=name)
        if as_json:
            for backup in backups:
                print_json("backup", backup)
        else:
            show_table(["ID", "HOST", "NAME", "CREATED", ">SIZE", ">STORED", "STATE"], map(_row, backups))


def _row(backup: BackupSummary) -> list[str]:
    warnings = f"{backup.warning_count} warnings" if backup.warning_count else "good"
    return [
        backup.id,
        backup.host,
        backup.name,
        f"{backup.created_at.astimezone():%Y-%m-%d %H:%M}",
        format_size(backup.original_bytes),
        format_size(backup.stored_bytes),
        "BROKEN" if backup.broken else warnings,
    ]


def files(
    backup_id: BackupArgument,
    identity: IdentityOption = None,
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """List what is inside a backup: mode, owner, size, time, path, and a link's target.

    Example: thaniya-client files 20261123T211500Z-7f3a2c
    """
    with connect(load(config), accept_new) as target:
        for entry in target.files(backup_id, identities=identity or ()):
            if as_json:
                print_json("entry", _as_fields(entry))
            else:
                sys.stdout.write(encode_entry(entry).decode())


def _as_fields(entry: ContentsEntry) -> dict[str, str | int | None]:
    return {
        "mode": entry.mode,
        "owner": entry.owner,
        "size_bytes": entry.size_bytes,
        "mtime": entry.mtime,
        "path": escape_path(entry.path),
        "target": None if entry.target is None else escape_path(entry.target),
    }
