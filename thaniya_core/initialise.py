"""Making a new server of the embedded kind: everything under one directory."""

from __future__ import annotations

from pathlib import Path

from thaniya_core.errors import AlreadyExists
from thaniya_core.server import Server, open_server
from thaniya_core.system.clock import Clock
from thaniya_core.system.files import make_directories, os_errors, require_directory, write_atomic

CONFIG_FILE = "thaniya.toml"

_CONFIG = """\
# Configuration of a Thaniya server. What is commented out stands at its default.
# Sizes like "500M" or "10G", durations like "90s", "15m" or "1h30m".

[paths]
# Relative paths count from the directory of this file. With slots, spool and volume on one file system no uploaded
# byte is copied.
state = "state"
spool = "spool"
slots = "slots"

[gate]
# The embedded SSH server.
listen = "{listen}"
port = {port}
# What users are told to call, where it is not `listen`.
# address = "backup.example.org"
# control_account = "thaniya"

[slots]
# An upload that gets no byte for so long expires.
# silence = "15m"
# What allocation leaves free on the disk of the slots.
# margin = "256M"
# What is kept free for an upload that does not say how large it will be.
# assumed = "1G"

[jobs]
# workers = 2
# attempts = 10
# first_delay = "5s"
# longest_delay = "1h"

# [compression]
# What comes plain and is to be stored compressed; the first pattern that fits a file's name counts.
# "*.sql" = "xz"
# "*.tar" = {{ format = "gzip", level = 6 }}

# [verify]
# Each backup is read again within this time, at so many bytes a second.
# every = "30d"
# limit_rate = "50M"
"""


def initialise(
    directory: Path,
    actor: str,
    *,
    slots: int = 4,
    volume: Path | None = None,
    listen: str = "127.0.0.1",
    port: int = 2222,
    clock: Clock | None = None,
) -> Server:
    """Make a server in a directory: its configuration, state, slots and a first volume.

    Args:
        directory: made when missing, if what is above it is there; must not hold a server yet.
        actor: who does this, for the audit log.
        slots: how many uploads can come in at the same time.
        volume: where backups are kept, a directory that is there; `directory/volume`, made when missing, when None.
        listen, port: where the embedded SSH server listens.
        clock: what the server goes by; the machine's when None.

    Raises:
        AlreadyExists: there is a configuration file already; nothing was changed.
        NotFound: the volume, or what is above the directory, is missing; nothing was changed.
        ThaniyaError: something cannot be made; it may be tried again.
    """
    directory = directory.absolute()
    config_file = directory / CONFIG_FILE
    if config_file.exists():
        raise AlreadyExists(f"{config_file} is there already; nothing was changed", hint="use it, or choose another")
    doing = f"make the server in {directory}"
    with os_errors(doing):
        require_directory(directory.parent, doing)
        if volume is not None:
            require_directory(volume.absolute(), f"make the volume {volume}")
        make_directories(directory)
        write_atomic(config_file, _CONFIG.format(listen=listen, port=port).encode())
    try:
        server = open_server(config_file, clock)
        server.slots.ensure(slots)
        server.volumes.add(volume or directory / "volume", "first", actor)
    except BaseException:
        config_file.unlink()  # with it there the next attempt would be refused
        raise
    return server
