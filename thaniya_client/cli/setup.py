"""`thaniya-client init` and `check`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.options import AcceptNewOption, ConfigOption, JsonOption, connect, load
from thaniya_client.cli.output import print_json, print_line
from thaniya_client.config import ClientConfig, find_config, save_config
from thaniya_client.connectors.ssh.keys import make_key, public_line
from thaniya_client.local_directory import default_user
from thaniya_client.thaniya_server import DEFAULT_KEY, ThaniyaServer
from thaniya_core.errors import WrongUsage
from thaniya_core.formats.names import check_user
from thaniya_core.formats.quantities import format_size

_CLOCK_TOLERANCE_S = 60.0


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
    """Make a key and a configuration, and show what to tell the server's administrator.

    Example: thaniya-client init backup.example.org
    """
    if bool(server) == bool(directory):
        raise WrongUsage("name either a SERVER or --directory", hint="thaniya-client init backup.example.org")
    file = find_config(config)
    name = check_user(user) if user else default_user()
    if directory:
        save_config(file, ClientConfig(directory=str(Path(directory).expanduser().absolute())))
        _print_made(file, {"config": str(file), "directory": directory}, as_json, [])
        return
    key_file = key.expanduser()
    save_config(file, ClientConfig(server=server, port=port, account=account, key=str(key), fingerprint=fingerprint))
    make_key(key_file)
    line = public_line(key_file)
    command = f"thaniya user add {name} --key {shlex.quote(line)}"
    facts = {"config": str(file), "key": str(key_file), "public_key": line, "user": name, "command": command}
    _print_made(
        file,
        facts,
        as_json,
        [
            f"Your public key, from {key_file}.pub:",
            f"  {line}",
            "Ask the server's administrator to run:",
            f"  {command}",
            "Then try:",
            "  thaniya-client check",
        ],
    )


def _print_made(file: Path, facts: dict[str, str], as_json: bool, lines: list[str]) -> None:
    if as_json:
        print_json("init", facts)
        return
    for text in (f"Wrote {file}.", *lines):
        print_line(text)


def check(config: ConfigOption = None, accept_new: AcceptNewOption = False, as_json: JsonOption = False) -> None:
    """Try everything that a backup needs: connection, key, a free slot, clock and space.

    Example: thaniya-client check
    """
    with connect(load(config), accept_new) as target:
        if not isinstance(target, ThaniyaServer):
            raise WrongUsage("there is nothing to check: backups go to a directory, not to a server")
        found = target.check()
    if as_json:
        print_json("check", found)
        return
    print_line(f"server   {found.server}")
    print_line(f"user     {found.user}")
    warning = " - set one of the clocks right" if abs(found.clock_difference_s) > _CLOCK_TOLERANCE_S else ""
    print_line(f"clock    {found.clock_difference_s:+.1f} s against this machine's{warning}")
    print_line(f"space    {format_size(found.free_bytes)} free for a backup")
