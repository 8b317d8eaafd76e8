"""`thaniya-client keygen`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.options import ConfigOption, JsonOption, load
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.config import find_config
from thaniya_client.local_directory import default_user
from thaniya_client.thaniya_server import DEFAULT_KEY
from thaniya_core.errors import AlreadyExists
from thaniya_core.formats.names import check_user


def keygen(
    key: Annotated[
        Path | None, typer.Option("--key", help="Where to. Default: where the configuration says it lies.")
    ] = None,
    user: Annotated[str, typer.Option("--user", help="Your name on the server. Default: your login name.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an ed25519 key for backups, and show what to tell the server's administrator. No key is ever overwritten.

    Example: thaniya-client keygen
    """
    # Imported here: it loads paramiko, which the other commands need for a server only.
    from thaniya_client.connectors.ssh.keys import make_key, public_line

    name = check_user(user) if user else default_user()
    file = (key or _configured_key(config)).expanduser().absolute()
    if file.exists() or file.with_name(f"{file.name}.pub").exists():
        raise AlreadyExists(
            f"the key {file} is there already and was not touched",
            hint=f"its public half: cat {shlex.quote(f'{file}.pub')}; or make another one with --key FILE",
        )
    make_key(file)
    line = public_line(file)
    command = add_command(name, line)
    if as_json:
        print_json("key", {"key": str(file), "public_key": line, "user": name, "command": command})
        return
    print_line(f"Made {file}, which nobody else may see. Its public half, from {file}.pub:")
    for text in key_instructions(name, line):
        print_line(text)


def add_command(user: str, public_line: str) -> str:
    """What the server's administrator runs for somebody new."""
    return f"thaniya user add {user} --key {shlex.quote(public_line)}"


def key_instructions(user: str, public_line: str) -> list[str]:
    """What a person has to do with a new key: the public line, and what to hand to the administrator."""
    return [
        f"  {public_line}",
        "Ask the server's administrator to run:",
        f"  {add_command(user, public_line)}",
        f"or, when the server knows you already: thaniya user key add {user} --key {shlex.quote(public_line)}",
    ]


def _configured_key(config: Path | None) -> Path:
    if config is None and not find_config(None).exists():
        return DEFAULT_KEY
    return Path(load(config).key)
