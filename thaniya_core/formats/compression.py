"""gzip, bzip2, xz or nothing, as streams: the same module for client and server.

The formats are those of the programs of the same names (RFC 1952 for gzip), so that any decompressor reads them.
"""

from __future__ import annotations

import io
import lzma
import zlib
from enum import StrEnum
from typing import IO, BinaryIO, Literal, cast

from thaniya_core.errors import WrongUsage

try:
    from isal.igzip_lib import IsalError as _IsalError
except ImportError:  # xopen brings it only for the processors it is made for
    _ISAL_ERROR: type[Exception] = zlib.error
else:
    _ISAL_ERROR = cast(type[Exception], _IsalError)


class Compression(StrEnum):
    """How a file is compressed."""

    NONE = "none"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"

    @property
    def suffix(self) -> str:
        """What the format adds to a file's name: `.gz`; empty for none."""
        return _SUFFIXES[self]

    @property
    def default_level(self) -> int:
        """Fast rather than small: gzip 1 (Intel's ISA-L), xz 3; bzip2 knows one useful level, 9."""
        return _LEVELS[self]

    @property
    def decompress_command(self) -> str:
        """The command that writes a file of this form decompressed to its output; `cat` for none."""
        return "cat" if self is Compression.NONE else f"{self.value} -dc"


_SUFFIXES = {Compression.NONE: "", Compression.GZIP: ".gz", Compression.BZIP2: ".bz2", Compression.XZ: ".xz"}
_LEVELS = {Compression.NONE: 0, Compression.GZIP: 1, Compression.BZIP2: 9, Compression.XZ: 3}
_XOPEN_NAMES = {Compression.GZIP: "gz", Compression.BZIP2: "bz2", Compression.XZ: "xz"}

BUFFER_BYTES = 128 * 1024

DECOMPRESSION_ERRORS: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, lzma.LZMAError, _ISAL_ERROR)
"""What reading a broken or cut stream raises."""


def check_level(compression: Compression, level: int | None) -> int | None:
    """Give a compressor's level back when it has it: 0 to 9, of bzip2 1 to 9; None is its default.

    Raises:
        WrongUsage: it has not.
    """
    lowest = 1 if compression is Compression.BZIP2 else 0
    if level is not None and not lowest <= level <= 9:
        raise WrongUsage(f"level {level}: {compression.value} has levels from {lowest} to 9")
    return level


def compression_of(name: str) -> Compression:
    """What a file's name says of its compression: `home.tar.gz` is gzip."""
    for compression, suffix in _SUFFIXES.items():
        if suffix and name.endswith(suffix):
            return compression
    return Compression.NONE


def strip_suffix(name: str) -> str:
    """The name without its compression's suffix: `home.tar.gz` becomes `home.tar`."""
    return name.removesuffix(compression_of(name).suffix)


def open_file_writer(target: BinaryIO, compression: Compression, level: int, threads: int) -> BinaryIO:
    """A stream that compresses what is written to it into an open file, on several processors where it can.

    xz runs as a program, so that its memory is not this process's; gzip in threads; bzip2 as the program pbzip2 where
    there is one. Closing the stream finishes the compressed form and leaves `target` open.

    Raises:
        OSError: on a later write or on close, the program failed or the disk is full.
    """
    return _xopen(target, "wb", compression, threads, level)


def open_writer(target: IO[bytes], compression: Compression, level: int | None = None) -> BinaryIO:
    """A stream that compresses what is written to it into `target`.

    Closing it finishes the compressed form and leaves `target` open. gzip is done in a thread of its own, so that
    reading, compressing and sending overlap; what `target.write` raises there comes out of a later write or of close.
    """
    kept_open = cast(BinaryIO, _KeptOpen(target))
    if compression is Compression.NONE:
        return kept_open
    level = compression.default_level if level is None else level
    return _xopen(kept_open, "wb", compression, threads=1 if compression is Compression.GZIP else 0, level=level)


def open_reader(source: IO[bytes], compression: Compression) -> BinaryIO:
    """A stream that decompresses `source`; closing it leaves `source` open.

    Reading raises one of DECOMPRESSION_ERRORS when the data is broken or cut short.
    """
    kept_open = cast(BinaryIO, _KeptOpen(source))
    if compression is Compression.NONE:
        return io.BufferedReader(cast(io.RawIOBase, kept_open), BUFFER_BYTES)
    return _xopen(kept_open, "rb", compression, threads=0)


def _xopen(
    stream: BinaryIO, mode: Literal["rb", "wb"], compression: Compression, threads: int, level: int | None = None
) -> BinaryIO:
    # Imported here: it takes as long to load as all formats together, and most commands neither pack nor unpack.
    from xopen import xopen

    return xopen(stream, mode, compresslevel=level, threads=threads, format=_XOPEN_NAMES[compression])


class _KeptOpen:
    """A binary stream whose close is not passed on."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)

    def readinto(self, buffer: memoryview) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes) -> int:
        return self._stream.write(data)

    def flush(self) -> None:
        # A compressor that was given up flushes once more when it is collected, perhaps after its target has closed.
        if not self.closed and not getattr(self._stream, "closed", False):
            self._stream.flush()

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return self._stream.readable()

    def writable(self) -> bool:
        return self._stream.writable()

    def seekable(self) -> bool:
        return False

    def __enter__(self) -> _KeptOpen:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
