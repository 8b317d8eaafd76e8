"""Uploads that come in for as long as somebody looks, at a rate that can be watched. Runs as a process of its own.

    python -m thaniya_core.cli.demo.traffic PORT FINGERPRINT DIRECTORY

DIRECTORY holds the key. It ends with its standard input. Each series sends the same bytes again and again, which the
archive keeps once, so that the disk does not fill.
"""

from __future__ import annotations

import io
import logging
import math
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from thaniya_client import FileKind, Packer, Task, ThaniyaServer
from thaniya_core.cli.demo.made import Content, Tree
from thaniya_core.errors import ThaniyaError
from thaniya_core.formats.manifest import BackupFile
from thaniya_core.system.clock import SystemClock
from thaniya_core.system.throttle import Throttle

KEY_FILE = "id_ed25519"

_MB = 1000**2
_PAUSE_S = 3.0
_WAVE_BYTES = 12 * _MB
"""After so many bytes the rate has gone up and down once."""


class Paced:
    """Sends at a rate that goes up and down."""

    def __init__(self, bytes_per_s: int) -> None:
        self._throttle = Throttle(SystemClock(), bytes_per_s)
        self._sent_bytes = 0

    def __call__(self, size_bytes: int) -> None:
        """Wait until so many bytes may be sent."""
        self._sent_bytes += size_bytes
        slower = 1 + 0.45 * math.sin(2 * math.pi * self._sent_bytes / _WAVE_BYTES)
        self._throttle(round(size_bytes * slower))


class Files:
    """A task: an archive of files, of a size that is known before."""

    def __init__(self, tree: Tree, count: int, bytes_per_s: int) -> None:
        self._files = tree.files(count)
        self._pace = Paced(bytes_per_s)

    def __repr__(self) -> str:
        return "Files()"

    def estimate_bytes(self) -> int | None:
        return sum(content.size_bytes for content in self._files.values())

    def pack(self, out: Packer) -> None:
        for file, content in self._files.items():
            if file.kind is FileKind.TAR:
                self._send(out, file, content)
            else:
                out.store(
                    file.name,
                    io.BytesIO(b"".join(content.read())),
                    kind=file.kind,
                    compression=file.compression,
                    original_bytes=file.original_bytes,
                    describes=file.describes,
                )

    def _send(self, out: Packer, file: BackupFile, content: Content) -> None:
        with out.open(file.name, kind=FileKind.TAR) as packed:
            for piece in content.read():
                packed.write(piece)
                self._pace(len(piece))
            packed.entries = file.entries


class Export:
    """A task: what a database writes out, of a size that nobody knows before."""

    def __init__(self, size_bytes: int, bytes_per_s: int) -> None:
        self._size_bytes = size_bytes
        self._pace = Paced(bytes_per_s)

    def __repr__(self) -> str:
        return "Export()"

    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        row = b"INSERT INTO visits VALUES (%08d, 'page', 'ok');\n"
        with out.open("visits.sql") as packed:
            for number in range(self._size_bytes // (1000 * len(row))):
                piece = b"".join(row % (number * 1000 + each) for each in range(1000))
                packed.write(piece)
                self._pace(len(piece))


def send_again_and_again(client: ThaniyaServer, task: Task, host: str, name: str, should_end: threading.Event) -> None:
    """Make a backup, and the next one a little after it, until the end of the process."""
    while not should_end.wait(_PAUSE_S):
        try:
            client.backup(task, host=host, name=name)
        except ThaniyaError:
            pass  # somebody has aborted it, which is what a demo is for; the next one comes


def main() -> None:
    """Send until standard input ends."""
    port, fingerprint, place = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    logging.disable()
    lectures = [f"videos/lecture-{number:02}.mp4" for number in range(1, 25)]
    tree = Tree("videos", lectures, 4 * 1024**2, b"", datetime(2026, 1, 1, tzinfo=UTC))
    ending = threading.Event()
    for task, host, name in (
        (Files(tree, len(lectures), 3 * _MB), "web1", "videos"),
        (Export(45 * _MB, 2 * _MB), "db1", "visits"),
    ):
        client = ThaniyaServer(
            "127.0.0.1",
            port=port,
            key=place / KEY_FILE,
            known_hosts=place / f"known_hosts-{name}",
            fingerprint=fingerprint,
            retry_s=5,
        )
        threading.Thread(target=send_again_and_again, args=(client, task, host, name, ending), daemon=True).start()
    sys.stdin.buffer.read()
    ending.set()
    os._exit(0)  # a thread of a connection may wait for the server, which is gone


if __name__ == "__main__":
    main()
