"""`thaniya-client init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.keygen import add_command, key_instructions
from thaniya_client.cli.options import ConfigOption, JsonOption
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.config import ClientConfig, find_config, load_config, save_config
from thaniya_client.local_directory import default_user
from thaniya_client.profiles.example import example_profile
from thaniya_client.thaniya_server import DEFAULT_KEY
from thaniya_core.errors import AlreadyExists, WrongUsage
from thaniya_core.formats.names import check_user


def init(
    server: Annotated[str, typer.Argument(metavar="SERVER", help="The server's name or address.")] = "",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Its SSH port.")] = 22,
    account: Annotated[str, typer.Option("--account", help="Its control account.")] = "thaniya",
    user: Annotated[str, typer.Option("--user", help="Your name on the server. Default: your login name.")] = "",
    key: Annotated[Path, typer.Option("--key", help="Private key; made when it is not there.")] = DEFAULT_KEY,
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="SHA256:… of the server's host key.")] = "",
    directory: Annotated[
        str, typer.Option("--directory", help="Keep backups in a directory instead of a server.")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key, and a configuration with a first profile; show what to tell the administrator, and what to do next.

    What is there is not touched. Where only the key of a configuration is missing, it is made. The profile `nightly`
    backs up your home directory, edit it as you need it.

    Example: thaniya-client init backup.example.org
    """
    # Imported here: it loads paramiko, which the other commands need for a server only.
    from thaniya_client.connectors.ssh.keys import make_key, public_line

    file = find_config(config)
    if file.exists():
        settings = _load_keyless(file, server, directory)
        done = f"{file} was there already and was not touched; made its key."
    else:
        if bool(server) == bool(directory):
            raise WrongUsage("name either a SERVER or --directory", hint="thaniya-client init backup.example.org")
        settings = (
            ClientConfig(directory=str(Path(directory).expanduser().absolute()))
            if directory
            else ClientConfig(server=server, port=port, account=account, key=str(key), fingerprint=fingerprint)
        )
        done = f"Wrote {file}."
    if settings.directory:
        save_config(file, settings, example_profile(Path.home(), settings.directory))
        _print_made(
            {"config": str(file), "directory": settings.directory}, as_json, [done, "Then:", *_next_steps(file)]
        )
        return
    name = check_user(user) if user else default_user()
    key_file = Path(settings.key).expanduser()
    make_key(key_file)
    line = public_line(key_file)
    if not file.exists():
        # Last: an interrupted `init` can then simply be run again.
        save_config(file, settings, example_profile(Path.home()))
    command = add_command(name, line)
    _print_made(
        {"config": str(file), "key": str(key_file), "public_key": line, "user": name, "command": command},
        as_json,
        [
            done,
            f"Your public key, from {key_file}.pub:",
            *key_instructions(name, line),
            "Then:",
            *_next_steps(file),
        ],
    )


def _load_keyless(file: Path, server: str, directory: str) -> ClientConfig:
    """The configuration that is there, when it means the same server and only its key is missing.

    Raises:
        AlreadyExists: nothing is missing, or another place is meant.
    """
    settings = load_config(file)
    is_meant = settings.server and server in ("", settings.server) and not directory
    if not is_meant or Path(settings.key).expanduser().exists():
        raise AlreadyExists(f"{file} is there already and was not touched", hint="edit it, or remove it first")
    return settings


def _next_steps(file: Path) -> list[str]:
    """From a configuration to backups that are made by themselves."""
    return [
        f"  edit the profile `nightly` in {file}",
        "  thaniya-client check",
        "  thaniya-client backup nightly --simulate",
        "  thaniya-client backup nightly",
        "  thaniya-client schedule install nightly",
    ]


def _print_made(facts: dict[str, str], as_json: bool, lines: list[str]) -> None:
    if as_json:
        print_json("init", facts)
        return
    for text in lines:
        print_line(text)
