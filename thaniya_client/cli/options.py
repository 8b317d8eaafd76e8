"""The options that several subcommands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.output import ask_host_key, is_terminal
from thaniya_client.config import (
    TARGET_VARIABLE,
    ClientConfig,
    Place,
    at_target,
    find_config,
    load_config,
    open_target,
)
from thaniya_client.target import Target

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file. Default: $THANIYA_CLIENT_CONFIG or ~/.config/thaniya/client.toml; "
        "root's may be /etc/thaniya/client.toml.",
    ),
]
NameOption = Annotated[str, typer.Option("--name", help="Of this series only.")]
HostOption = Annotated[str, typer.Option("--host", help="Of this host only.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
AcceptNewOption = Annotated[bool, typer.Option("--accept-new", help="Trust a server whose host key is not known yet.")]
IdentityOption = Annotated[
    list[Path] | None,
    typer.Option("--identity", metavar="FILE", help="A private key that opens what is encrypted. Repeatable."),
]
BackupArgument = Annotated[str, typer.Argument(metavar="ID", help="The backup, as `list` shows it.")]


def load(config: Path | None) -> ClientConfig:
    """The configuration that an option means, at the target that $THANIYA_CLIENT_TARGET names."""
    return at_target(load_config(find_config(config)), os.environ.get(TARGET_VARIABLE, ""))


def connect(config: Place, accept_new: bool) -> Target:
    """The place for backups. On a terminal an unknown host key is asked about."""
    return open_target(config, accept_new=accept_new, ask_host_key=ask_host_key if is_terminal() else None)
