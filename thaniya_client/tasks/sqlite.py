"""Backs up a SQLite database that is in use."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from thaniya_client.packer import Packer
from thaniya_client.tasks.scratch import scratch_directory, scratch_place
from thaniya_core.errors import SourceFailed
from thaniya_core.formats.compression import Compression, check_level
from thaniya_core.formats.names import check_file
from thaniya_core.system.files import os_errors

_BUSY_TIMEOUT_S = 60.0
_PAGES_A_STEP = 2048
_READ_BYTES = 1024 * 1024


class _Copy(Struct, frozen=True):
    """A copy that is ready to be sent."""

    file: Path
    complaints: tuple[str, ...]
    """What SQLite finds wrong in it."""


class SQLite:
    """A consistent copy of a SQLite database, also while programs write to it.

        SQLite("/var/lib/app/app.db")

    The copy is made by SQLite itself (its online backup) in one read transaction, so it is the database as it was at
    one moment. In WAL mode nobody waits for it; in the other modes writers wait until it is made. It lies in a
    directory of its own until it is sent, which takes as much space as the database.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        scratch: str | Path | None = None,
        compression: Compression | str = Compression.GZIP,
        level: int | None = None,
    ) -> None:
        """Describe what to back up; nothing is read yet.

        Args:
            path: the database.
            name: of the file in the backup, without the compression's suffix; by default the database's own name.
            scratch: a directory with room for the copy; by default that of the variable TMPDIR, or /var/tmp.
            compression: `gzip`, `bzip2`, `xz` or `none`.
            level: the compressor's level; by default fast rather than small.

        Raises:
            IllegalName: no file of a backup may bear that name.
        """
        self.path = Path(path).expanduser().absolute()
        self.name = check_file(re.sub(r"[^A-Za-z0-9._-]", "_", self.path.name).lstrip(".-") if name is None else name)
        self.scratch = scratch_place(scratch)
        self.compression = Compression(compression)
        self.level = check_level(self.compression, level)
        self._prepared: _Copy | None = None

    def __repr__(self) -> str:
        return f"SQLite({str(self.path)!r})"

    def describe(self) -> str:
        """What will be copied."""
        return f"a consistent copy of the SQLite database {self.path}, as {self.name}{self.compression.suffix}"

    def estimate_bytes(self) -> int | None:
        """The size of the database, with what waits in its write-ahead log.

        Raises:
            SourceFailed: it is not there.
        """
        size = self.check_source() if self._prepared is None else self._prepared.file.stat().st_size
        wal = self.path.with_name(self.path.name + "-wal")
        return size + (wal.stat().st_size if self._prepared is None and wal.exists() else 0) + 1024 * 1024

    @contextmanager
    def prepare(self) -> Iterator[None]:
        """Make the copy, which may take long, before a slot is asked for.

        Raises:
            SourceFailed: as `pack`.
        """
        with self._copied() as copy:
            self._prepared = copy
            try:
                yield
            finally:
                self._prepared = None

    def pack(self, out: Packer) -> None:
        """Write `NAME.gz`. A database that SQLite finds damaged is a warning: the copy is damaged likewise.

        Raises:
            SourceFailed: it is not there, is no database, stays locked for a minute, or there is no room for the copy.
        """
        with nullcontext(self._prepared) if self._prepared else self._copied() as copy:
            if copy.complaints:
                out.warn(f"{self.path} is damaged, and its copy too: {'; '.join(copy.complaints)}"[:500])
            with (
                os_errors(f"read the copy of {self.path}"),
                copy.file.open("rb", buffering=0) as source,
                out.open(self.name, compression=self.compression, level=self.level) as file,
            ):
                while chunk := source.read(_READ_BYTES):
                    file.write(chunk)
        out.add_recipe(
            f"the SQLite database {self.path}"[:500] if str(self.path).isprintable() else "a SQLite database",
            "# Stop the programs that use the database, remove the files NAME-wal and NAME-journal beside it, then put",
            "# this in its place:",
            f"{file.read_command} >{self.name}.restored",
        )

    @contextmanager
    def _copied(self) -> Iterator[_Copy]:
        self.check_source()
        with scratch_directory(self.scratch) as directory:
            copy = directory / "copy"
            try:
                self._copy(copy)
                complaints = _examine(copy)
            except sqlite3.Error as exc:
                raise SourceFailed(f"{self.path} cannot be backed up: {exc}", hint=_hint(exc, self.scratch)) from exc
            yield _Copy(copy, complaints)

    def _copy(self, into: Path) -> None:
        # Writable, because a database that a crash has left half changed is mended by whoever opens it next.
        uri = f"file:{quote(os.fsencode(self.path))}?mode=rw"
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as source,
            closing(sqlite3.connect(into)) as target,
        ):
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            # In the transaction a step sees what the first saw. Between steps Python heeds signals.
            source.backup(target, pages=_PAGES_A_STEP, progress=lambda _status, _remaining, _total: None, sleep=0)
            source.execute("ROLLBACK")

    def check_source(self) -> int:
        """The size of the database's file, in bytes.

        Raises:
            SourceFailed: it is not there.
        """
        try:
            return self.path.stat().st_size
        except OSError as exc:
            raise SourceFailed(f"{self.path} cannot be backed up: {exc.strerror}") from exc


def _examine(copy: Path) -> tuple[str, ...]:
    with closing(sqlite3.connect(f"file:{quote(str(copy))}?immutable=1", uri=True)) as database:
        complaints = tuple(str(row[0]) for row in database.execute("PRAGMA quick_check(5)"))
    return () if complaints == ("ok",) else complaints


def _hint(error: sqlite3.Error, scratch: Path) -> str:
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return f"there may be no room for the copy in {scratch}: give another directory as scratch"
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
        return f"a program held the database locked for {_BUSY_TIMEOUT_S:g} s"
    return ""
