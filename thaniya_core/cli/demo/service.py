"""A service as a process of its own, and a key to come in with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from thaniya_core.errors import ThaniyaError
from thaniya_core.system.run import Process, run

RUN_S = 7 * 86400.0
"""No demo runs longer."""


class Listening(Struct, frozen=True):
    """What `thaniya serve --json` says when clients can come in."""

    address: str
    port: int
    host_key: str


@contextmanager
def running_service(config_file: Path) -> Iterator[Listening]:
    """Run the service of a server for the length of a block; nothing of it is left when the block ends.

    Raises:
        ThaniyaError: it ended before clients could come in.
    """
    command = [sys.executable, "-m", "thaniya_core", "--config", str(config_file), "serve", "--json"]
    with Process(command, timeout_s=RUN_S, stdout=True) as service:
        try:
            yield _wait_until_listening(service)
        finally:
            service.terminate()
            # The end of its output is the end of the process: nothing is left behind.
            while service.stdout.read(65536):
                pass


def make_key(file: Path) -> str:
    """Make a private key, and its public half beside it; gives the public one."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(file)], timeout_s=30)
    return file.with_suffix(".pub").read_text()


def _wait_until_listening(service: Process) -> Listening:
    line = service.stdout.readline(65536)
    if not line:
        service.check()
        raise ThaniyaError("the server ended before it listened")
    return msgspec.json.decode(line, type=Listening)
