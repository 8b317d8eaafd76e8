"""One JSON file with tables of records: read whole, written whole, never changed in place.

    {"format": 1, "users": {"alice": {…}}, "slots": {…}}

A broken file is reported with the way back and left as it is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from thaniya_core.errors import StateUnreadable
from thaniya_core.system.files import fsync_directory, make_directories, os_errors, write_atomic

FORMAT = 1
"""The version of the files that this module writes."""

Tables = dict[str, dict[str, dict[str, object] | msgspec.Raw]]
"""Records by table and key: what was put as a dictionary, the rest as it stands in the file, never decoded."""

RawTables = dict[str, msgspec.Raw]
"""Tables as they stand in the file, not yet decoded."""

Identity = tuple[int, int, int]
"""Inode, time of change in ns and size in bytes: no two states of one file have the same."""

_PART_BYTES = 1024 * 1024
"""What is looked through at a time."""

_Part = TypeVar("_Part")


class JsonFile:
    """A file of tables. Whoever writes it holds its lock; readers need none."""

    def __init__(self, path: Path, *, rebuilt_by: str = "") -> None:
        """Do nothing yet.

        Args:
            path: the file; it need not exist.
            rebuilt_by: the command that makes the file anew from what is elsewhere. Without one, the state before the
                last change is kept beside as `<name>.previous`.
        """
        self.path = path
        self._rebuilt_by = rebuilt_by

    @property
    def previous(self) -> Path:
        """Where the state before the last change is kept."""
        return self.path.with_name(f"{self.path.name}.previous")

    def identity(self) -> Identity | None:
        """What tells whether the file has changed; None while there is none.

        Raises:
            StateUnreadable: the file cannot be looked at, or it vanished from beside its `.previous`.
        """
        try:
            return _identity(self.path.stat())
        except FileNotFoundError:
            if self._rebuilt_by or not self.previous.exists():
                return None
            raise self.unreadable(f"it is missing, but {self.previous.name} is there") from None
        except OSError as exc:
            raise self._inaccessible(exc) from exc

    def read(self) -> tuple[Identity, RawTables] | None:
        """The tables, undecoded, and the identity of the file they were in; None while there is no file.

        Raises:
            StateUnreadable: the file cannot be read, is no JSON, or of a newer format.
        """
        try:
            with self.path.open("rb") as stream:
                identity = _identity(os.fstat(stream.fileno()))
                data = stream.read()
        except FileNotFoundError:
            return None if self.identity() is None else self.read()
        except OSError as exc:
            raise self._inaccessible(exc) from exc
        return identity, self._parse(data)

    def _parse(self, data: bytes) -> RawTables:
        if not data or data.isspace():
            raise self.unreadable("it is empty")
        try:
            document = msgspec.json.decode(data, type=RawTables)
            version = msgspec.json.decode(document.pop("format", b"null"))
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise self.unreadable(str(exc)) from exc
        if type(version) is not int or version < 1:
            raise self.unreadable("it has no `format` number")
        if version > FORMAT:
            raise self.unreadable(
                f"it has format {version}, this version of Thaniya knows {FORMAT} at most",
                hint="use the version of Thaniya that wrote it, or a newer one",
            )
        return document

    def split(self, table: str, records: msgspec.Raw) -> dict[str, msgspec.Raw]:
        """The records of a table, whatever is in them.

        Raises:
            StateUnreadable: it is no JSON, or no table of records.
        """
        try:
            found = msgspec.json.decode(records, type=dict[str, msgspec.Raw])
        except msgspec.ValidationError as exc:
            raise self.unreadable(f"{table} is no table of records") from exc
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise self.unreadable(str(exc)) from exc
        for key, record in found.items():
            if bytes(memoryview(record)[:1]) != b"{":
                raise self.unreadable(f"{table}/{key} is no record")
        return found

    def holds(self, text: bytes) -> bool:
        """Whether a text stands anywhere in the file; much faster than reading the records.

        Raises:
            StateUnreadable: the file cannot be read.
        """
        end = b""
        try:
            with self.path.open("rb") as stream:
                while part := stream.read(_PART_BYTES):
                    part = end + part
                    if text in part:
                        return True
                    end = part[-len(text) :]
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise self._inaccessible(exc) from exc
        return False

    def write(self, tables: Tables) -> Identity:
        """Put the tables in place of the file's content, durably, and give the identity of the new file.

        Raises:
            NoSpace, NotAllowed, ThaniyaError: it could not be written; the old content stands.
        """
        data = _lay_out(tables)
        with os_errors("write the state"):
            make_directories(self.path.parent)
            self._remove_torn()
            before = self.path.stat() if self.path.exists() else None
            if before and not self._rebuilt_by:
                self._keep_previous()
            write_atomic(self.path, data)
            after = self.path.stat()
            if before and after.st_mtime_ns <= before.st_mtime_ns:
                # Clocks tick slower than this writes, and inodes are used again: time must move for the identity to.
                os.utime(self.path, ns=(after.st_atime_ns, before.st_mtime_ns + 1))
            return _identity(self.path.stat())

    def remove(self) -> None:
        """Remove the file, durably; harmless when it is not there."""
        with os_errors("remove the state"):
            if not self._rebuilt_by:
                self.previous.unlink(missing_ok=True)  # first: alone it means that the file was lost
            self.path.unlink(missing_ok=True)
            if self.path.parent.exists():
                self._remove_torn()
                fsync_directory(self.path.parent)

    def read_as(self, kind: type[_Part]) -> _Part | None:
        """A part of the file, decoded straight into a type that has fields for what is wanted; None without a file.

        Raises:
            StateUnreadable: the file cannot be read, or holds something else.
        """
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise self._inaccessible(exc) from exc
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise self.unreadable(str(exc)) from exc

    def _remove_torn(self) -> None:
        """Remove what killed writers left; nobody else writes while this process holds the lock."""
        for torn in self.path.parent.glob(f".{self.path.name}.*.tmp"):
            torn.unlink(missing_ok=True)

    def _keep_previous(self) -> None:
        temporary = self.path.with_name(f".{self.path.name}.previous.tmp")
        temporary.hardlink_to(self.path)
        temporary.replace(self.previous)
        # A rename between two names of one file does nothing: a writer killed right here leaves them so.
        temporary.unlink(missing_ok=True)

    def unreadable(self, what: str, hint: str = "") -> StateUnreadable:
        """The error for a broken file, with the way back."""
        return StateUnreadable(f"cannot read {self.path}: {what}", hint=hint or self._way_back(), file=str(self.path))

    def _way_back(self) -> str:
        if self._rebuilt_by:
            return f"`{self._rebuilt_by}` makes it anew"
        if self.previous.exists():
            return f"repair it, or copy {self.previous} over it: the state before the last change"
        return f"repair it, or restore it from a backup: there is no {self.previous.name}"

    def _inaccessible(self, exc: OSError) -> StateUnreadable:
        return self.unreadable(exc.strerror or str(exc), hint="the service's user must be able to read it")


def _lay_out(tables: Tables) -> bytes:
    """The text of a file, indented for people. What stands in the file already is so, and is taken over as it is."""
    text: list[bytes | msgspec.Raw] = [b'{\n  "format": %d' % FORMAT]
    for name, records in tables.items():
        text.append(b",\n  %b: {" % msgspec.json.encode(name))
        before = b"\n    "
        for key, record in records.items():
            text += (before, msgspec.json.encode(key), b": ", _indent(record))
            before = b",\n    "
        text.append(b"\n  }" if records else b"}")
    text.append(b"\n}\n")
    return b"".join(text)


def _indent(record: dict[str, object] | msgspec.Raw) -> bytes | msgspec.Raw:
    if isinstance(record, msgspec.Raw):
        return record
    return msgspec.json.format(msgspec.json.encode(record), indent=2).replace(b"\n", b"\n    ")


def _identity(status: os.stat_result) -> Identity:
    return (status.st_ino, status.st_mtime_ns, status.st_size)
