"""A server that is alive: with a past, a service that runs, and uploads that come in."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from thaniya_core.cli.demo.past import make_past
from thaniya_core.cli.demo.service import RUN_S, make_key, running_service
from thaniya_core.errors import ExitCode
from thaniya_core.server import open_server
from thaniya_core.system.clock import SystemClock
from thaniya_core.system.run import Process

_USER = "alice"
_KEY_FILE = "id_ed25519"
"""Known to traffic.py too, which alone imports the client."""
_ACTOR = "demo"


@contextmanager
def living_server(place: Path) -> Iterator[Path]:
    """Have a server live for the length of a block; none of its processes is left when the block ends.

    Args:
        place: an empty directory.

    Yields:
        Its thaniya.toml.
    """
    with _ended_by_signals():
        config_file = make_past(place / "server", SystemClock().now(), port=_find_free_port())
        open_server(config_file).users.add_key(_USER, make_key(place / _KEY_FILE), _ACTOR)
        with running_service(config_file) as listening, _traffic(listening.port, listening.host_key, place):
            yield config_file


@contextmanager
def _traffic(port: int, host_key: str, place: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "thaniya_core.cli.demo.traffic", str(port), host_key, str(place)]
    with Process(command, timeout_s=RUN_S, stdin=True) as traffic:
        try:
            yield
        finally:
            traffic.kill()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have the block end in order when the terminal is closed or the process is asked to end."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(ExitCode.FAILED)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
