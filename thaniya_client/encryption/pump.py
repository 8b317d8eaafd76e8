"""Runs pyrage in a thread: it reads from one stream and writes to another until the first one ends.

pyrage buffers what it writes, and an error while it empties that buffer in the end is lost. It also puts errors of the
streams into errors of its own. So each stream keeps the error that came out of it, and that one counts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import IO

from thaniya_core.system.streams import Writable

ABANDON_WAIT_S = 5.0
PIPE_BUFFER_BYTES = 256 * 1024


class Source:
    """What pyrage reads. It has no descriptor, so that pyrage does not read past this object."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._read(size)
        except BaseException as exc:
            self.error = exc
            raise


class Sink:
    """What pyrage writes to; after an error everything is dropped."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._target.write(data)
            except BaseException as exc:
                self.error = exc
                raise
        return len(data)

    def flush(self) -> None:
        """There is nothing held back."""


class RawPipe:
    """Writes all of it to the unbuffered end of a pipe, which takes a part at a time."""

    def __init__(self, descriptor: int) -> None:
        self._pipe = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, data: bytes, /) -> None:
        left = memoryview(data)
        while left:
            left = left[self._pipe.write(left) :]

    def close(self) -> None:
        self._pipe.close()


class Pump:
    """The thread."""

    def __init__(
        self, work: Callable[[Source, Sink], None], source: Source, sink: Sink, pipe: IO[bytes] | RawPipe, name: str
    ) -> None:
        """Start it.

        Args:
            work: reads and writes to the end.
            source, sink: what from and to.
            pipe: this thread's end of the pipe; closed when the work ends, however it ends.
            name: of the thread.
        """
        self._work = work
        self._source = source
        self._sink = sink
        self._pipe = pipe
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end; raises what ended the work, be it pyrage's or a stream's."""
        self._thread.join()
        if error := self._source.error or self._sink.error or self._error:
            raise error

    def abandon(self) -> None:
        """Wait a little for the end, whatever it is."""
        self._thread.join(ABANDON_WAIT_S)

    def _run(self) -> None:
        try:
            self._work(self._source, self._sink)
        except BaseException as exc:  # noqa: BLE001 - raised again by join
            self._error = exc
        finally:
            self._pipe.close()
