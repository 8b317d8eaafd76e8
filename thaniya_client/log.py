"""client.log: what happened while a backup was made. It travels with the backup."""

from __future__ import annotations

import tempfile
import threading
from datetime import datetime
from typing import IO

from thaniya_core.system.clock import Clock, SystemClock

WARNINGS_KEPT = 200
"""So many warnings go into manifest and report; all go into client.log."""


class ClientLog:
    """Collects the lines in an unnamed temporary file, so that a million warnings need no memory."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._lock = threading.Lock()
        self._warnings: list[str] = []
        self.warning_count = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """The first warnings."""
        return tuple(self._warnings)

    def now(self) -> datetime:
        """The time that the log goes by."""
        return self._clock.now()

    def note(self, text: str) -> None:
        """Write a line."""
        self._write(f"        {text}")

    def warn(self, text: str) -> None:
        """Write a warning: something was not backed up as it should be."""
        with self._lock:
            self.warning_count += 1
            if self.warning_count <= WARNINGS_KEPT:
                self._warnings.append(text)
        self._write(f"WARNING {text}")

    def rewound(self) -> IO[bytes]:
        """The file, to be read from the beginning. Nothing is written afterwards."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Throw the file away; lines that come later are dropped."""
        self._file.close()

    def _write(self, text: str) -> None:
        line = f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ} {text}\n"
        with self._lock:
            if self._file.closed:
                return
            self._file.write(line.encode("utf-8", "backslashreplace"))
