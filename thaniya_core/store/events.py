"""The audit log: `<YYYY-MM>.jsonl`, one event a line, appended under the kernel's lock."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from thaniya_core.errors import StateUnreadable, WrongUsage
from thaniya_core.model import Event
from thaniya_core.store.rules import month_of
from thaniya_core.system.files import fsync_directory, make_directories, os_errors, write_all
from thaniya_core.system.locks import locked

_LOG_FILE = re.compile(r"[0-9]{4}-[0-9]{2}\.jsonl")
_BLOCK_BYTES = 64 * 1024


class LogPlace(Struct, frozen=True):
    """A place in the audit log, between two events."""

    month: str
    """`2026-11`."""
    offset: int = 0
    """Counted from the beginning of that month, as the store counts."""

    @classmethod
    def at_month(cls, moment: datetime) -> LogPlace:
        """Where the month of a moment begins."""
        return cls(month_of(moment))


class LoggedEvent(Struct, frozen=True):
    """An event, and where it stands in the audit log."""

    event: Event
    before: LogPlace
    """The place before it."""
    after: LogPlace
    """The place after it: no two events have the same."""


class EventLog:
    """The audit log in a directory, a file a month."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(self, event: Event) -> None:
        """Append an event durably.

        Raises:
            WrongUsage: it cannot be stored.
            NoSpace, NotAllowed: it could not be written.
        """
        line = encode_event(event) + b"\n"
        file = self._directory / f"{month_of(event.at)}.jsonl"
        with os_errors("write to the audit log"):
            make_directories(self._directory)
            with locked(file):
                _append(file, line)

    def read(self, since: datetime | None = None) -> Iterator[Event]:
        """Events at or after `since`, month by month, each month in the order they were appended.

        Raises:
            StateUnreadable: a file of the log cannot be opened or read.
        """
        first = f"{month_of(since)}.jsonl" if since else ""
        for file in self._files():
            if file.name < first:
                continue
            for event in _read_file(file):
                if since is None or event.at >= since:
                    yield event

    def newest(self) -> Iterator[Event]:
        """Events from the end of the log to its beginning; only what is asked for is read.

        Raises:
            StateUnreadable: a file of the log cannot be opened or read.
        """
        for file in reversed(self._files()):
            try:
                with file.open("rb") as stream:
                    for line in _lines_backwards(stream):
                        event = decode_event(line)
                        if event is not None:
                            yield event
            except OSError as exc:
                raise _unreadable(file, exc) from exc

    def read_after(self, place: LogPlace) -> Iterator[tuple[Event, LogPlace]]:
        """Events after a place, each with the place after it. A line that is being written is left for the next time.

        Raises:
            StateUnreadable: a file of the log cannot be opened or read.
        """
        for file in self._files():
            if file.stem < place.month:
                continue
            offset = place.offset if file.stem == place.month else 0
            try:
                with file.open("rb") as stream:
                    stream.seek(offset)
                    while (line := stream.readline()).endswith(b"\n"):
                        event = decode_event(line)
                        if event is not None:
                            yield event, LogPlace(file.stem, stream.tell())
            except FileNotFoundError:
                continue  # dropped meanwhile
            except OSError as exc:
                raise _unreadable(file, exc) from exc

    def end(self) -> LogPlace:
        """The place after the newest event; a line that is being written is not counted.

        Raises:
            StateUnreadable: a file of the log cannot be opened or read.
        """
        for file in reversed(self._files()):
            try:
                with file.open("rb") as stream:
                    return LogPlace(file.stem, _whole_lines_bytes(stream))
            except FileNotFoundError:
                continue  # dropped meanwhile
            except OSError as exc:
                raise _unreadable(file, exc) from exc
        return LogPlace("")

    def read_before(self, place: LogPlace) -> Iterator[LoggedEvent]:
        """Events before a place, the newest first; only what is asked for is read.

        Raises:
            StateUnreadable: a file of the log cannot be opened or read.
        """
        for file in reversed(self._files()):
            if file.stem > place.month:
                continue
            try:
                with file.open("rb") as stream:
                    end = place.offset if file.stem == place.month else _whole_lines_bytes(stream)
                    for line, offset in _placed_lines_backwards(stream, end):
                        event = decode_event(line)
                        if event is not None:
                            after = LogPlace(file.stem, offset + len(line) + 1)
                            yield LoggedEvent(event, LogPlace(file.stem, offset), after)
            except FileNotFoundError:
                continue  # dropped meanwhile
            except OSError as exc:
                raise _unreadable(file, exc) from exc

    def drop(self, before: datetime) -> list[str]:
        """Remove the files of the months before that of an instant; gives these months, the oldest first.

        Raises:
            NotAllowed: a file may not be removed.
        """
        dropped = [file for file in self._files() if file.stem < month_of(before)]
        with os_errors("drop old months of the audit log"):
            for file in dropped:
                file.unlink(missing_ok=True)
            if dropped:
                fsync_directory(self._directory)
        return [file.stem for file in dropped]

    def _files(self) -> list[Path]:
        try:
            return sorted(file for file in self._directory.iterdir() if _LOG_FILE.fullmatch(file.name))
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise _unreadable(self._directory, exc) from exc


def encode_event(event: Event) -> bytes:
    """An event as one line of JSON, without the newline.

    Raises:
        WrongUsage: it holds a text that is no UTF-8, or a time without a zone.
    """
    if event.at.tzinfo is None:
        raise WrongUsage(f"the event {event.action} cannot be stored: its time has no zone")
    try:
        return msgspec.json.encode(event)
    except UnicodeError as exc:
        raise WrongUsage(f"the event {event.action} cannot be stored: {exc}") from exc


def decode_event(line: bytes) -> Event | None:
    """The event of a line; None for a line that holds none, such as one that a dying machine tore."""
    try:
        event = msgspec.json.decode(line, type=Event)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return event if event.at.tzinfo else None


def _append(file: Path, line: bytes) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        write_all(descriptor, memoryview(line))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if not size:
        fsync_directory(file.parent)


def _read_file(file: Path) -> Iterator[Event]:
    try:
        with file.open("rb") as stream:
            for line in stream:
                event = decode_event(line)
                if event is not None:
                    yield event
    except FileNotFoundError:
        return  # dropped meanwhile
    except OSError as exc:
        raise _unreadable(file, exc) from exc


def _whole_lines_bytes(stream: BinaryIO) -> int:
    """How long a file is up to the end of its last line that has one."""
    end = stream.seek(0, os.SEEK_END)
    while end:
        begin = max(end - _BLOCK_BYTES, 0)
        stream.seek(begin)
        found = stream.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _placed_lines_backwards(stream: BinaryIO, end: int) -> Iterator[tuple[bytes, int]]:
    """The lines that end before a place, the last first, each with where it begins."""
    for line in _lines_backwards(stream, end):
        end -= len(line)
        yield line, end
        end -= 1


def _lines_backwards(stream: BinaryIO, end: int | None = None) -> Iterator[bytes]:
    """The lines of a file, or of what is before a place in it, the last first."""
    end = stream.seek(0, os.SEEK_END) if end is None else end
    rest = b""
    while end:
        begin = max(end - _BLOCK_BYTES, 0)
        stream.seek(begin)
        first, *lines = (stream.read(end - begin) + rest).split(b"\n")
        yield from reversed(lines)
        rest, end = first, begin
    yield rest


def _unreadable(path: Path, exc: OSError) -> StateUnreadable:
    return StateUnreadable(
        f"cannot read {path}: {exc.strerror or exc}",
        hint="let the service's user read it",
        file=str(path),
    )
