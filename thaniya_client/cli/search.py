"""`thaniya-client find` and `diff`."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

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
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.restoring.differences import Change, Difference
from thaniya_client.restoring.finding import Found
from thaniya_core.errors import ExitCode
from thaniya_core.formats.contents import escape_path
from thaniya_core.formats.quantities import format_size
from thaniya_core.system.harmless import make_harmless

_LINE_LIMIT = 20_000
_SIGNS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}


def find(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="'*.conf' at any depth, or 'etc/*.conf'.")],
    regex: Annotated[bool, typer.Option("--regex", help="PATTERN is a regular expression.")] = False,
    name: NameOption = "",
    host: HostOption = "",
    newest: Annotated[int | None, typer.Option("--newest", min=1, help="Only in so many newest backups.")] = None,
    identity: IdentityOption = None,
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look for paths in all your backups, the newest first: backup, time, size and path.

    Exit code 4: nothing was found; 3: found, but something could not be looked into.

    Example: thaniya-client find '*.conf' --name nightly --newest 5
    """
    problems: list[str] = []
    is_found = False

    def tell(problem: str) -> None:
        problems.append(problem)
        print(f"warning: {make_harmless(problem)}", file=sys.stderr)

    with connect(load(config), accept_new) as target:
        for found in target.find(
            pattern,
            regex=regex,
            host=host,
            name=name,
            newest=newest,
            on_problem=tell,
            identities=identity or (),
        ):
            is_found = True
            _print_found(found, as_json)
    if not is_found:
        print("nothing was found", file=sys.stderr)
        raise typer.Exit(ExitCode.NOT_FOUND)
    if problems:
        raise typer.Exit(ExitCode.WARNINGS)


def _print_found(found: Found, as_json: bool) -> None:
    backup, inside = found.backup, found.inside
    mtime = None if inside.entry is None else inside.entry.mtime
    if as_json:
        facts = {
            "id": backup.id,
            "host": backup.host,
            "name": backup.name,
            "created_at": backup.created_at,
            "path": escape_path(inside.path),
            "size_bytes": inside.size_bytes,
            "mtime": mtime,
        }
        print_json("found", facts)
    else:
        size = format_size(inside.size_bytes)
        print(f"{backup.id}  {mtime or '-':20}  {size:>9}  {_shown(inside.path)}")


def diff(
    before: BackupArgument,
    after: Annotated[str, typer.Argument(metavar="ID", help="The backup to compare it with.")],
    identity: IdentityOption = None,
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare what two backups hold: + added, - removed, ~ changed, and in what.

    Times of directories are not compared. Exit code 0: no difference; 3: there are some.

    Example: thaniya-client diff 20261123T211500Z-7f3a2c 20261124T211500Z-91bc02
    """
    counts = dict.fromkeys(Change, 0)
    with connect(load(config), accept_new) as target:
        for difference in target.diff(before, after, identities=identity or ()):
            counts[difference.change] += 1
            _print_difference(difference, as_json)
    if as_json:
        print_json("summary", {change.value: count for change, count in counts.items()})
    else:
        print_line(", ".join(f"{count} {change.value}" for change, count in counts.items()))
    if any(counts.values()):
        raise typer.Exit(ExitCode.WARNINGS)


def _print_difference(difference: Difference, as_json: bool) -> None:
    if as_json:
        print_json("difference", msgspec.structs.asdict(difference) | {"path": escape_path(difference.path)})
        return
    what = f"  ({', '.join(difference.what)})" if difference.what else ""
    print(f"{_SIGNS[difference.change]} {_shown(difference.path)}{what}")


def _shown(path: bytes) -> str:
    return make_harmless(escape_path(path), _LINE_LIMIT)
