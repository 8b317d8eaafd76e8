"""`thaniya user …`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from thaniya_core.accounts import Unlimited, parse_quota, read_key_file, split_key_lines
from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption, confirm, format_time, print_facts, print_records
from thaniya_core.errors import ThaniyaError, WrongUsage
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Role, User
from thaniya_core.server import Server
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import show_json

app = typer.Typer(no_args_is_help=True, help="Who may back up.")
key_app = typer.Typer(no_args_is_help=True, help="The SSH public keys of a user.")
app.add_typer(key_app, name="key")

Name = Annotated[str, typer.Argument(help="The user's name.")]
KeyOption = Annotated[
    list[str] | None, typer.Option("--key", help="A public key: the line of the .pub file. May be given several times.")
]
KeyFileOption = Annotated[
    list[Path] | None, typer.Option("--key-file", help="A .pub file; - for stdin. May be given several times.")
]


@app.command("add")
def add(
    context: typer.Context,
    name: Name,
    key: KeyOption = None,
    key_file: KeyFileOption = None,
    role: Annotated[Role, typer.Option(help="For the console; over SSH all may do the same.")] = Role.BACKUP,
    quota: Annotated[str | None, typer.Option(help="Bytes of all backups together: 500G. [default: no limit]")] = None,
    max_uploads: Annotated[int, typer.Option(min=1, help="Uploads at the same time.")] = 2,
    adopt_backups: Annotated[
        bool, typer.Option("--adopt-backups", help="The new user gets what an earlier one of the name has archived.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a user.

    Example: thaniya user add alice --key-file alice.pub --quota 500G
    """
    lines = _key_lines(key, key_file)  # before root becomes the service user, who may not read them
    server = server_of(context)
    limit = parse_quota(quota) if quota else None
    if not adopt_backups:
        server.refuse_inherited_backups(name)
    user = server.users.add(
        name,
        lines,
        actor(),
        role=role,
        quota_bytes=None if isinstance(limit, Unlimited) else limit,
        max_uploads=max_uploads,
    )
    _show(server, user, as_json)


@app.command("list")
def list_users(context: typer.Context, as_json: JsonOption = False) -> None:
    """List all users.

    Example: thaniya user list --json
    """
    server = server_of(context)
    users = server.users.all()
    rows = [
        [
            user.name,
            user.role,
            "yes" if user.enabled else "NO",
            str(len(user.keys)),
            format_size(server.catalog.user_bytes(user.name)),
            format_size(user.quota_bytes) if user.quota_bytes is not None else "no limit",
            str(user.max_uploads),
        ]
        for user in users
    ]
    columns = ["user", "role", "enabled", ">keys", ">used", ">quota", ">uploads"]
    print_records(users, columns, rows, as_json, "no users yet: make one with `thaniya user add`")


@app.command("show")
def show(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Show one user with its keys.

    Example: thaniya user show alice
    """
    server = server_of(context)
    _show(server, server.users.get(name), as_json)


@app.command("set")
def change(
    context: typer.Context,
    name: Name,
    role: Annotated[Role | None, typer.Option(help="For the console; over SSH all may do the same.")] = None,
    quota: Annotated[str | None, typer.Option(help="Bytes of all backups together: 500G, or `unlimited`.")] = None,
    max_uploads: Annotated[int | None, typer.Option(min=1, help="Uploads at the same time.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a user's limits or role; what is not given stays.

    Example: thaniya user set alice --quota 1T
    """
    server = server_of(context)
    wanted = None if quota is None else parse_quota(quota)
    user = server.users.change(name, actor(), role=role, quota_bytes=wanted, max_uploads=max_uploads)
    _show(server, user, as_json)


@app.command("instructions")
def instructions(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Print what to send to a user: server, host key, and the commands of a first backup.

    Example: thaniya user instructions alice | mail -s "Your backups" alice@example.org
    """
    made = server_of(context).instruct_user(name)
    if as_json:
        show_json(made)
        return
    for doubt in made.doubts:
        print(f"thaniya: note: {make_harmless(doubt)}", file=sys.stderr)
    print(made.text, end="")


@app.command("enable")
def enable(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Let a user in again.

    Example: thaniya user enable alice
    """
    server = server_of(context)
    _show(server, server.users.enable(name, actor()), as_json)


@app.command("disable")
def disable(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Keep a user out and end its open uploads; keys and backups stay.

    Example: thaniya user disable alice
    """
    server = server_of(context)
    _show(server, server.disable_user(name, actor()), as_json)


@app.command("remove")
def remove(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove a user; the archived backups stay.

    Example: thaniya user remove alice --yes
    """
    server = server_of(context)
    user = server.users.get(name)
    backups = len(server.catalog.find(name))
    confirm(f"Remove the user {user.name} with {len(user.keys)} keys? Its {backups} backups stay.", yes)
    server.users.remove(name, actor())
    print_facts(
        {"removed": name, "backups": backups}, [("removed", name), ("backups that stay", str(backups))], as_json
    )


@key_app.command("add")
def add_key(
    context: typer.Context,
    name: Name,
    key: KeyOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let one more key in.

    Example: thaniya user key add alice --key-file laptop.pub
    """
    lines = _key_lines(key, key_file)
    if not lines:
        raise WrongUsage("no key given", hint="give --key or --key-file")
    server = server_of(context)
    for line in lines:
        server.users.add_key(name, line, actor())
    _show(server, server.users.get(name), as_json)


@key_app.command("remove")
def remove_key(
    context: typer.Context,
    name: Name,
    fingerprint: Annotated[str, typer.Argument(help="The fingerprint or the beginning of it.")],
    as_json: JsonOption = False,
) -> None:
    """Take a key away.

    Example: thaniya user key remove alice SHA256:mVUq
    """
    server = server_of(context)
    _show(server, server.users.remove_key(name, fingerprint, actor()), as_json)


def _key_lines(keys: list[str] | None, files: list[Path] | None) -> list[str]:
    """The keys given as text and in files."""
    lines = list(keys or [])
    for file in files or []:
        lines += split_key_lines(sys.stdin.read()) if str(file) == "-" else read_key_file(file)
    return lines


def _show(server: Server, user: User, as_json: bool) -> None:
    try:
        used = format_size(server.catalog.user_bytes(user.name))
    except ThaniyaError as error:
        used = f"unknown: {error.message}"
    facts = [
        ("user", user.name),
        ("enabled", "yes" if user.enabled else "NO"),
        ("role", user.role.value),
        ("used", used),
        ("quota", format_size(user.quota_bytes) if user.quota_bytes is not None else "no limit"),
        ("uploads", f"{user.max_uploads} at the same time"),
        ("created", format_time(user.created_at)),
    ]
    uses = server.users.key_uses()
    for key in user.keys:
        used_at = uses.get(key.fingerprint)
        last = f"last used {format_time(used_at)}" if used_at else "never used"
        facts.append(("key", f"{key.fingerprint} {key.algorithm} {key.comment}, {last}"))
    if not user.keys:
        facts.append(("key", f"none: add one with `thaniya user key add {user.name} --key-file FILE`"))
    print_facts(user, facts, as_json)
