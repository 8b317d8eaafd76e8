"""Reading a stored file once: for its sum, and through a program that says whether it can be used."""

from __future__ import annotations

import hashlib
import re
import signal
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Generic, TypeVar, cast

from msgspec import Struct

from thaniya_core.system.files import CHUNK_BYTES, hash_file, write_all
from thaniya_core.system.run import Process

T = TypeVar("T")

OnChunk = Callable[[int], None]
"""Called with the number of bytes read since the last call."""

READ_TIMEOUT_S = 30 * 86400.0
"""No file is read for a month; what hangs must end."""

MEMORY_LIMIT = "256MiB"
"""What a decompressor may take. `xz -9` makes files that need 65 MiB; a hostile one may ask for gigabytes."""

_ENDING_SIGNALS = frozenset({signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU})
"""What others end programs by: a service that is stopped, a machine that is out of memory. A crash is none of them."""

_CHILD_DIED = re.compile(r"tar: Child died with signal ([0-9]+)")
_TAR_ENDS = ("tar: Child died", "tar: Error is not recoverable")
_MEMORY_MESSAGE = "Memory usage limit reached"

ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "TAR_OPTIONS": "",
    "XZ_DEFAULTS": "",
    "XZ_OPT": f"--memlimit-decompress={MEMORY_LIMIT}",
    "BZIP": "",
    "BZIP2": "",
}


def killing_signal(exit_code: int, messages: Sequence[str]) -> str:
    """The signal by which others have ended a program, or the decompressor that tar had started; empty for none.

    Args:
        exit_code: of the program.
        messages: what it wrote to stderr, line by line.
    """
    numbers = [-exit_code, *(int(found[1]) for text in messages if (found := _CHILD_DIED.match(text)))]
    if signal.SIGPIPE in numbers and all(text.startswith(_TAR_ENDS) for text in messages):
        # What fed the decompressor found it gone. One that goes because its input is damaged says so first.
        return signal.SIGPIPE.name
    return next((signal.Signals(number).name for number in numbers if number in _ENDING_SIGNALS), "")


class Reading(Struct, Generic[T], frozen=True):
    """What a file and its program gave."""

    sha256: str
    """Of the file as it is stored."""
    size_bytes: int
    result: T
    """What was made of the program's output."""
    exit_code: int
    messages: tuple[str, ...]
    """The end of the program's stderr."""

    @property
    def is_out_of_memory(self) -> bool:
        """Whether the program refused to take more memory than MEMORY_LIMIT."""
        return self.exit_code != 0 and any(_MEMORY_MESSAGE in message for message in self.messages)

    @property
    def killed_by(self) -> str:
        """The signal by which others have ended the program; see `killing_signal`."""
        return killing_signal(self.exit_code, self.messages)

    @property
    def failure(self) -> str:
        """How the program failed; empty when it did not."""
        told = "; ".join(message for message in self.messages[-3:] if message)
        return "" if self.exit_code == 0 else told or f"exit code {self.exit_code}"


def read_through(
    file: Path,
    argv: Sequence[str],
    consume: Callable[[BinaryIO], T],
    on_chunk: OnChunk | None = None,
) -> Reading[T]:
    """Read a file once, sum it, and feed it to a program.

    Nothing is kept in memory, however much the program writes. A program that ends early is fed no more, and the file
    is read on for its sum.

    Args:
        file: what to read.
        argv: the program; it reads the file from its stdin.
        consume: called in a thread with the program's stdout; what it leaves is thrown away.
        on_chunk: called with the number of bytes read since the last call; what it raises ends the program.

    Raises:
        OSError: the file cannot be read.
        CommandFailed: the program cannot be started.
    """
    with Process(argv, timeout_s=READ_TIMEOUT_S, stdin=True, stdout=True, env=ENVIRONMENT) as process:
        consumer = _Consumer(process.stdout, consume)
        try:
            sha256, size = hash_file(file, on_chunk, _Feed(process.stdin.fileno()))
            process.stdin.close()
            result = consumer.join()
        except BaseException:
            process.kill()
            consumer.wait()
            raise
        exit_code = process.wait()
    return Reading(sha256, size, result, exit_code, tuple(process.stderr_lines))


def hash_stream(stream: BinaryIO) -> tuple[str, int]:
    """SHA-256 and number of the bytes of a stream."""
    digest = hashlib.sha256()
    size = 0
    for chunk in iter(partial(stream.read, CHUNK_BYTES), b""):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


class _Feed:
    """Writes to a pipe for as long as somebody reads it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_read = True

    def __call__(self, data: memoryview) -> None:
        if self._is_read:
            try:
                write_all(self._descriptor, data)
            except BrokenPipeError:
                self._is_read = False


class _Consumer(Generic[T]):
    """A thread that reads a stream to its end."""

    def __init__(self, stream: IO[bytes], consume: Callable[[BinaryIO], T]) -> None:
        self._stream = cast(BinaryIO, stream)
        self._consume = consume
        self._result: list[T] = []
        self._failure: list[Exception] = []
        self._thread = threading.Thread(target=self._read, name="reading", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the end of the stream."""
        self._thread.join()

    def join(self) -> T:
        """Wait for the end, and give or raise what came out of it."""
        self.wait()
        if self._failure:
            raise self._failure[0]
        return self._result[0]

    def _read(self) -> None:
        try:
            self._result.append(self._consume(self._stream))
        except Exception as error:  # noqa: BLE001 - raised again by join
            self._failure.append(error)
        while self._stream.read(CHUNK_BYTES):
            pass  # the program must not wait for a reader
