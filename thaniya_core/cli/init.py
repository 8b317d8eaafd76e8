"""`thaniya init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thaniya_core.cli.context import actor
from thaniya_core.cli.output import JsonOption
from thaniya_core.initialise import initialise
from thaniya_core.system.terminal import show_json


def init(
    directory: Annotated[
        Path, typer.Argument(help="Where the server's files go; made when missing, but not what is above it.")
    ],
    slots: Annotated[int, typer.Option(min=1, max=999, help="Uploads that can come in at the same time.")] = 4,
    volume: Annotated[
        Path | None,
        typer.Option(help="Where backups are kept: a directory that is there. [default: DIRECTORY/volume, made]"),
    ] = None,
    listen: Annotated[str, typer.Option(help="Address of the embedded SSH server.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 takes a free one.")] = 2222,
    as_json: JsonOption = False,
) -> None:
    """Make a new server of the embedded kind: no root and no sshd needed.

    Example: thaniya init ~/backups --volume /mnt/disk1
    """
    server = initialise(directory, actor(), slots=slots, volume=volume, listen=listen, port=port)
    config = server.config
    if as_json:
        show_json({"config": str(config.file), "slots": slots, "volumes": server.volumes.all()})
        return
    print(f"A server is ready in {config.file.parent}: {slots} slots, backups go to {server.volumes.all()[0].path}")
    print("Next:")
    print(f"  thaniya --config {config.file} user add alice --key-file alice.pub")
    print(f"  thaniya --config {config.file} serve")
