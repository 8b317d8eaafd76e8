"""`thaniya volume …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from thaniya_core.archive import VolumeStatus
from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption, confirm, print_facts, print_records
from thaniya_core.errors import ExitCode, NotFound
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Volume

app = typer.Typer(no_args_is_help=True, help="Volumes: the directories, usually mount points, that hold the archive.")

Name = Annotated[str, typer.Argument(metavar="VOLUME", help="The volume's label, path or id.")]


@app.command("list")
def list_volumes(context: typer.Context, as_json: JsonOption = False) -> None:
    """List all volumes; exit code 3 when one that takes new backups is nearly full or not there, or one is damaged.

    Example: thaniya volume list
    """
    statuses = server_of(context).volume_watch.look()
    rows = [
        [
            status.volume.label,
            _state(status),
            format_size(status.space.total_bytes if status.space else None),
            format_size(status.space.free_bytes if status.space else None),
            str(status.volume.path),
            status.volume.id,
        ]
        for status in statuses
    ]
    columns = ["volume", "state", ">size", ">free", "path", "id"]
    print_records(map(_record, statuses), columns, rows, as_json, "no volumes: make one with `thaniya volume add PATH`")
    if any(status.needs_somebody for status in statuses):
        raise typer.Exit(ExitCode.WARNINGS)


@app.command("show")
def show(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Show one volume, and what the catalog knows to be on it.

    Example: thaniya volume show first
    """
    server = server_of(context)
    status = server.volume_watch.look_at(server.volumes.get(name))
    usage = server.catalog.usage_of(status.volume)
    facts = [
        *_facts(status.volume),
        ("state", _state(status)),
        ("detail", status.detail),
        ("backups", str(usage.backups)),
        ("stored", format_size(usage.stored_bytes)),
    ]
    print_facts({**_record(status), **msgspec.to_builtins(usage)}, facts, as_json)


@app.command("add")
def add(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="The directory; its disk must be mounted.")],
    label: Annotated[str, typer.Option(help="What to call it. [default: the directory's name]")] = "",
    make: Annotated[
        bool, typer.Option("--make", help="Make the directory when it is missing, but not what is above it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a directory a volume; or take up one that is a volume, from here under another path or from another server.

    Backups that lie on it already are listed after `thaniya catalog rebuild`.

    Example: thaniya volume add /mnt/backup2
    """
    server = server_of(context)
    known = {volume.id for volume in server.volumes.all()}
    volume = server.volumes.add(path, label or path.absolute().name or "root", actor(), must_exist=not make)
    facts = [*_facts(volume), ("was", "known, at another path" if volume.id in known else "not known here")]
    print_facts(volume, facts, as_json)


@app.command("activate")
def activate(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Have a volume take new backups again.

    Example: thaniya volume activate first
    """
    _set_active(context, name, True, as_json)


@app.command("deactivate")
def deactivate(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Have a volume take no new backups; those on it stay, can be restored, and are removed by their policy.

    Example: thaniya volume deactivate first
    """
    _set_active(context, name, False, as_json)


def _set_active(context: typer.Context, name: str, active: bool, as_json: bool) -> None:
    volumes = server_of(context).volumes
    volume = volumes.set_active(volumes.get(name), active, actor())
    print_facts(volume, _facts(volume), as_json)


@app.command("rescan")
def rescan(
    context: typer.Context,
    places: Annotated[list[Path] | None, typer.Argument(metavar="[DIRECTORY]...", help="Where to look too.")] = None,
    take_up: Annotated[bool, typer.Option("--add", help="Take up volumes that are not known here.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look for volumes that are mounted elsewhere now; exit code 3 when one is found nowhere, or in two places.

    It looks where the known volumes were and beside, below `search` of [volumes] in the configuration, and in the
    directories given, up to two levels below them.

    Example: thaniya volume rescan /media
    """
    server = server_of(context)
    for place in places or []:
        if not place.is_dir():
            raise NotFound(f"there is no directory {place}", hint="mount its disk first, or look where it is: lsblk")
    found = server.volumes.rescan([*server.config.volumes.search, *(places or [])], actor(), add=take_up)
    print_facts(found, found.facts or [("volumes", "all are where they were")], as_json)
    if found.added and not as_json:
        print("Now run `thaniya catalog rebuild`, which lists the backups on them.")
    if found.missing or found.copies:
        raise typer.Exit(ExitCode.WARNINGS)


@app.command("remove")
def remove(
    context: typer.Context,
    name: Name,
    forget_backups: Annotated[
        bool, typer.Option("--forget-backups", help="Forget the backups on it too, instead of refusing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a volume. Nothing on it is touched: `volume add` and `catalog rebuild` bring all of it back.

    Example: thaniya volume remove first
    """
    server = server_of(context)
    volume = server.volumes.get(name)
    if forget_backups:
        count = server.catalog.usage_of(volume).backups
        confirm(f"Forget the volume {volume.label} at {volume.path} and {count} backups on it?", yes)
    count = server.remove_volume(volume, actor(), with_backups=forget_backups)
    facts = [("removed", volume.label), ("forgotten backups", str(count)), ("left as it is", str(volume.path))]
    print_facts({"removed": volume.id, "forgotten_backups": count, "path": str(volume.path)}, facts, as_json)


def _state(status: VolumeStatus) -> str:
    words = status.condition.words
    if status.needs_somebody:
        words = words.upper()
    return words if status.volume.active else f"{words}, takes no new backups"


def _record(status: VolumeStatus) -> dict[str, object]:
    volume, space = status.volume, status.space
    return {
        "id": volume.id,
        "label": volume.label,
        "path": str(volume.path),
        "active": volume.active,
        "condition": status.condition,
        "detail": status.detail,
        "size_bytes": space.total_bytes if space else None,
        "free_bytes": space.free_bytes if space else None,
    }


def _facts(volume: Volume) -> list[tuple[str, str]]:
    return [
        ("volume", volume.label),
        ("id", volume.id),
        ("path", str(volume.path)),
        ("takes new backups", "yes" if volume.active else "no"),
    ]
