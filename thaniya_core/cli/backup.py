"""`thaniya backup …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from thaniya_core.archive.restore import Stored, restore_backup
from thaniya_core.cli import verify
from thaniya_core.cli.context import actor, call_with_server, server_of
from thaniya_core.cli.output import JsonOption, confirm, format_time, print_facts, print_records
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.contents import escape_path
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind
from thaniya_core.formats.names import parse_series
from thaniya_core.formats.quantities import format_size
from thaniya_core.formats.restoring import restore_directory, restored_path
from thaniya_core.model import Backup, increments_on
from thaniya_core.server import Server
from thaniya_core.system.terminal import show_json

app = typer.Typer(no_args_is_help=True, help="Archived backups.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The backup's id, or the beginning of it.")]


class _Found(msgspec.Struct, frozen=True):
    """A backup that is to be restored, and where what it needs lies: its own directory first."""

    id: str
    documents: tuple[BackupDocument, ...]
    directories: tuple[str, ...]


@app.command("list")
def list_backups(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="Of this user only.")] = "",
    host: Annotated[str, typer.Option(help="Of this host only.")] = "",
    name: Annotated[str, typer.Option(help="Of series of this name only.")] = "",
    series: Annotated[str, typer.Option(help="Of this series only: user/host/name.")] = "",
    tag: Annotated[str, typer.Option(help="With this tag only.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List backups, the newest first.

    Example: thaniya backup list --user alice --host web1
    """
    if series:
        wanted = parse_series(series)
        user, host, name = wanted.user, wanted.host, wanted.name
    found = server_of(context).catalog.each(user, host, name)
    backups = (backup for backup in found if not tag or tag in backup.notes.tags)
    rows = (
        [
            backup.id,
            str(backup.series),
            str(len(backup.document.files)),
            format_size(backup.document.stored_bytes),
            format_size(backup.document.shared_bytes) if backup.document.shared_bytes else "-",
            format_size(backup.document.original_bytes),
            str(backup.document.warning_count),
            _state(backup),
        ]
        for backup in backups
    )
    columns = ["id", "series", ">files", ">stored", ">shared", ">original", ">warnings", "state"]
    print_records(backups, columns, rows, as_json, "no backup fits")


@app.command("show")
def show(context: typer.Context, backup_id: Id, as_json: JsonOption = False) -> None:
    """Show one backup and where its plain files lie.

    Example: thaniya backup show 20261123T211500Z-7f3a2c
    """
    server = server_of(context)
    backup = server.catalog.get(backup_id)
    document = backup.document
    own_bytes: int | None = None
    try:
        place = str(server.catalog.directory(backup))
        own_bytes = server.backups.own_bytes(backup)
    except ThaniyaError as error:
        place = f"NOT THERE: {error.message}"
    facts = [
        ("backup", backup.id),
        ("series", str(backup.series)),
        ("state", _state(backup)),
        ("directory", place),
        ("created", format_time(document.created_at)),
        ("archived", format_time(document.archived_at)),
        ("verified", format_time(backup.verified_at)),
        ("stored", _stored(document)),
        ("own", "-" if own_bytes is None else f"{format_size(own_bytes)}, which removing it frees"),
        ("original", format_size(document.original_bytes)),
        ("builds on", document.parent or "-"),
        ("sums by", document.sums_by.value),
        ("client", document.client or "-"),
        ("warnings", str(document.warning_count)),
        ("pinned", "yes" if backup.notes.pinned else "no"),
        ("tags", " ".join(backup.notes.tags) or "-"),
    ]
    facts += [("warning", warning) for warning in document.warnings]
    facts += [("file", _describe(file)) for file in document.files]
    print_facts({"directory": place, "own_bytes": own_bytes, **msgspec.to_builtins(backup)}, facts, as_json)


@app.command("files")
def files(context: typer.Context, backup_id: Id, as_json: JsonOption = False) -> None:
    """List what is inside a backup, one line a path, as `backup restore` takes it.

    Example: thaniya backup files 20261123T211500Z-7f3a2c | grep passwd
    """
    server = server_of(context)
    backup = server.catalog.get(backup_id)
    documented = backup.document.files
    directories = {file.name: restore_directory(file, documented) for file in documented}
    listed = False
    for archive, entry in server.backups.entries(backup):
        listed = True
        path = escape_path(restored_path(directories.get(archive, ""), entry.path))
        if as_json:
            facts = {"message_type": "entry", "path": path, "mode": entry.mode, "owner": entry.owner}
            show_json(facts | {"size_bytes": entry.size_bytes, "mtime": entry.mtime})
        else:
            print(f"{entry.mode} {entry.size_bytes:>12} {entry.mtime} {path}")
    if not listed:
        for file in documented:
            path, size = file.name, file.size_bytes
            if file.kind is FileKind.FILE:
                path, size = file.restored_name, file.restored_bytes
            if as_json:
                show_json({"message_type": "entry", "path": path, "size_bytes": size})
            else:
                print(f"{size or 0:>12} {path}")


@app.command("restore")
def restore(
    context: typer.Context,
    backup_id: Id,
    target: Annotated[Path, typer.Argument(help="An empty or missing directory.")],
    paths: Annotated[list[str] | None, typer.Argument(help="Only these paths, with all below them.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Restore into a directory that is not empty.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a backup's sums and restore it, or some paths of it.

    Example: thaniya backup restore 20261123T211500Z-7f3a2c /tmp/restored etc/passwd
    """
    who = actor()

    def find(server: Server) -> str:
        backup = server.catalog.get(backup_id)
        chain = server.backups.chain(backup)
        found = _Found(
            backup.id,
            tuple(stored.document for stored in chain),
            tuple(str(stored.directory) for stored in chain),
        )
        return msgspec.json.encode(found).decode()

    def note(server: Server) -> str:
        server.backups.note_restored(server.catalog.get(found.id), target, who)
        return ""

    # Root restores as root: owners come back, and the target may lie anywhere.
    found = msgspec.json.decode(call_with_server(context, find), type=_Found)
    chain = [
        Stored(document, Path(directory))
        for document, directory in zip(found.documents, found.directories, strict=True)
    ]
    restore_backup(chain, target, paths or [], overwrite=overwrite)
    call_with_server(context, note)
    print_facts({"id": found.id, "target": str(target)}, [("restored", found.id), ("into", str(target))], as_json)


app.command("verify")(verify.verify)


@app.command("remove")
def remove(
    context: typer.Context,
    backup_id: Id,
    with_increments: Annotated[
        bool, typer.Option("--with-increments", help="Those that build on it too; without, they keep it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a backup for good.

    Example: thaniya backup remove 20261123T211500Z-7f3a2c --yes
    """
    server = server_of(context)
    backup = server.catalog.get(backup_id)
    going = [backup]
    if with_increments:
        going += increments_on(backup.id, server.catalog.of_series(backup.series))
    size = format_size(sum(server.backups.own_bytes(each) for each in going))
    others = f" and {len(going) - 1} that build on it" if len(going) > 1 else ""
    confirm(f"Remove {backup.id} of {backup.series}{others} for good? It frees {size}.", yes)
    removed = [each.id for each in server.backups.remove(backup, actor(), with_increments=with_increments)]
    increments = [each for each in removed if each != backup.id]
    facts = [("removed", backup.id), *(("removed", each) for each in increments), ("freed", size)]
    print_facts({"removed": backup.id, "increments": increments}, facts, as_json)


@app.command("pin")
def pin(context: typer.Context, backup_id: Id, as_json: JsonOption = False) -> None:
    """Keep a backup whatever the retention policy says; it uses up none of the policy's counts.

    Example: thaniya backup pin 20261123T211500Z-7f3a2c
    """
    _pin(context, backup_id, True, as_json)


@app.command("unpin")
def unpin(context: typer.Context, backup_id: Id, as_json: JsonOption = False) -> None:
    """Leave a backup to the retention policy again.

    Example: thaniya backup unpin 20261123T211500Z-7f3a2c
    """
    _pin(context, backup_id, False, as_json)


def _pin(context: typer.Context, backup_id: str, pinned: bool, as_json: bool) -> None:
    server = server_of(context)
    backup = server.backups.pin(server.catalog.get(backup_id), pinned, actor())
    facts = [("backup", backup.id), ("pinned", "yes" if pinned else "no")]
    print_facts({"id": backup.id, "pinned": pinned}, facts, as_json)


@app.command("tag")
def tag(
    context: typer.Context,
    backup_id: Id,
    add: Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="Tags to add.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A tag to take away.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a backup tags, or take them away; `backup list --tag` finds it by them.

    Example: thaniya backup tag 20261123T211500Z-7f3a2c before-upgrade
    """
    server = server_of(context)
    backup = server.catalog.get(backup_id)
    if add or remove:
        backup = server.backups.tag(backup, add or [], remove or [], actor())
    facts = [("backup", backup.id), ("tags", " ".join(backup.notes.tags) or "-")]
    print_facts({"id": backup.id, "tags": backup.notes.tags}, facts, as_json)


def _state(backup: Backup) -> str:
    if backup.broken:
        return f"BROKEN: {backup.broken}"
    state = "verified" if backup.verified_at else "archived"
    return f"{state}, pinned" if backup.notes.pinned else state


def _stored(document: BackupDocument) -> str:
    stored = format_size(document.stored_bytes)
    shared = format_size(document.shared_bytes)
    return f"{stored}, of which earlier backups had {shared} already" if document.shared_bytes else stored


def _describe(file: BackupFile) -> str:
    described = f"{file.name}, {format_size(file.size_bytes)}, {file.sha256}"
    if file.uploaded_name is not None:
        described += f"; uploaded as {file.uploaded_name}, {format_size(file.uploaded_bytes)}, {file.uploaded_sha256}"
    return described + (f"; shared with {file.shared_with}" if file.shared_with else "")
