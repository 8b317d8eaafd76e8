"""Makes the contents list of a tar archive while the archive is packed."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO

from thaniya_client.packer import Packer
from thaniya_core.errors import SourceFailed
from thaniya_core.formats.compression import Compression, open_reader, open_writer
from thaniya_core.formats.contents import ContentsEntry, decode_entries, encode_entry, split_lines
from thaniya_core.formats.manifest import FileKind
from thaniya_core.formats.tar import parse_tar_line

_COUNT_EVERY = 256
_READ_BYTES = 256 * 1024
_ABANDON_WAIT_S = 5.0


class ContentsList:
    """Writes entries, compressed, into an unnamed temporary file: memory does not grow with their number."""

    def __init__(self, out: Packer) -> None:
        self._out = out
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._writer = open_writer(self._file, Compression.GZIP)
        self._original_bytes = 0
        self.entries = 0

    def add(self, entry: ContentsEntry) -> None:
        """Write an entry."""
        line = encode_entry(entry)
        self._writer.write(line)
        self._original_bytes += len(line)
        self.entries += 1
        if self.entries % _COUNT_EVERY == 0:
            self._out.count_entries(_COUNT_EVERY)

    def add_tar_line(self, line: str) -> None:
        """Write the entry that a line of GNU tar's verbose list tells of."""
        entry = parse_tar_line(line)
        if entry is None:
            self._out.warn(f"this line of tar is not understood and not in the contents list: {line}")
        else:
            self.add(entry)

    def read(self) -> Iterator[ContentsEntry]:
        """All entries, once the list is stored."""
        self._file.seek(0)
        return read_list(self._file)

    def copy_to(self, path: Path) -> None:
        """Write the list as it is stored, once it is, to a new file."""
        self._file.seek(0)
        with path.open("xb") as file:
            shutil.copyfileobj(self._file, file)

    def store(self, name: str, describes: str) -> None:
        """Add the list to the backup.

        Args:
            name: of the list before compression: `home.files`.
            describes: the archive's name as it is stored.
        """
        self._writer.close()
        self._out.count_entries(self.entries % _COUNT_EVERY)
        self._file.seek(0)
        self._out.store(
            name + Compression.GZIP.suffix,
            self._file,
            kind=FileKind.CONTENTS,
            compression=Compression.GZIP,
            original_bytes=self._original_bytes,
            entries=self.entries,
            describes=describes,
        )

    def __enter__(self) -> ContentsList:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._writer.close()
        finally:
            self._file.close()


def read_list(file: IO[bytes]) -> Iterator[ContentsEntry]:
    """The entries of a contents list that is compressed by gzip.

    Raises:
        IntegrityFailed: it is malformed.
    """
    with open_reader(file, Compression.GZIP) as lines:
        yield from decode_entries(split_lines(iter(partial(lines.read, _READ_BYTES), b"")))


class TarListing:
    """A pipe that GNU tar writes its verbose list to, and the thread that reads it into a contents list."""

    def __init__(self, contents: ContentsList) -> None:
        self._contents = contents
        self._read_end, self.write_end = os.pipe()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="contents list", daemon=True)
        self._thread.start()

    def close_write_end(self) -> None:
        """Call it once tar has inherited the descriptor, so that the end of tar is the end of the list."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def join(self) -> None:
        """Wait until the whole list is read.

        Raises:
            SourceFailed: the list could not be written.
        """
        self.close_write_end()
        self._thread.join()
        if self._error is not None:
            raise SourceFailed(f"the contents list cannot be written: {self._error}") from self._error

    def abandon(self) -> None:
        """End it after a failure. Normally tar has ended; a tar that has not is not waited for."""
        self.close_write_end()
        self._thread.join(_ABANDON_WAIT_S)

    def _read(self) -> None:
        with os.fdopen(self._read_end, "rb", buffering=256 * 1024) as pipe:
            try:
                for line in pipe:
                    self._contents.add_tar_line(line.decode("utf-8", "surrogateescape").rstrip("\n"))
            except Exception as exc:  # noqa: BLE001 - raised again by join
                self._error = exc
                while pipe.read(1024 * 1024):
                    pass  # tar must not wait for a reader
