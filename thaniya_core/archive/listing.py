"""What tar says that an archive holds, compared with the contents list that was made while it was packed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from thaniya_core.archive.contents import read_contents
from thaniya_core.archive.reading import OnChunk, Reading, read_through
from thaniya_core.errors import IntegrityFailed, ThaniyaError
from thaniya_core.formats.contents import ContentsEntry, escape_path, split_lines
from thaniya_core.formats.manifest import BackupDocument, BackupFile, find_contents
from thaniya_core.formats.tar import list_options, parse_tar_line
from thaniya_core.system.files import CHUNK_BYTES


class Listing(Struct, frozen=True):
    """What an archive holds."""

    difference: str
    """The first difference to its contents list; empty when there is none, or no list."""
    unpacked_bytes: int
    """The sizes of its members together."""


def list_archive(
    directory: Path, document: BackupDocument, file: BackupFile, on_chunk: OnChunk | None
) -> Reading[Listing]:
    """Have tar list an archive to its end.

    Raises:
        OSError: the archive cannot be read.
        CommandFailed: tar cannot be started.
    """
    contents = find_contents(document.files, file.name)
    entries = None if contents is None else read_contents(directory, contents)
    argv = ["tar", *list_options(file.compression), "--file=-"]
    return read_through(directory / file.name, argv, partial(_read_listing, entries), on_chunk)


def _read_listing(entries: Iterator[ContentsEntry] | None, listing: BinaryIO) -> Listing:
    difference = ""
    unpacked_bytes = 0
    try:
        lines = split_lines(iter(partial(listing.read, CHUNK_BYTES), b""))
        for member in _members(lines, skip_unknown=entries is None):
            unpacked_bytes += member.size_bytes
            if entries is not None and not difference:
                difference = _difference(member, next(entries, None))
        if entries is not None and not difference:
            difference = _difference(None, next(entries, None))
    except (ThaniyaError, ValueError) as error:
        difference = f"cannot be compared with what it should hold: {error}"
    return Listing(difference, unpacked_bytes)


def _members(lines: Iterable[bytes], *, skip_unknown: bool) -> Iterator[ContentsEntry]:
    for line in lines:
        entry = parse_tar_line(line.decode("utf-8", "surrogateescape"))
        if entry is not None:
            yield entry
        elif not skip_unknown:
            raise IntegrityFailed(f"this line of tar is not understood: {line[:120]!r}")


def _difference(member: ContentsEntry | None, entry: ContentsEntry | None) -> str:
    """How a member differs from its line in the contents list; empty when it does not."""
    if member is None and entry is None:
        return ""
    if entry is None and member is not None:
        return f"holds {escape_path(member.path)}, its contents list does not"
    if member is None and entry is not None:
        return f"does not hold {escape_path(entry.path)}, its contents list does"
    if member is not None and entry is not None and _facts(member) != _facts(entry):
        told = (f"{one.mode} {one.size_bytes} {escape_path(one.path)}" for one in (member, entry))
        return "holds {}, its contents list has {}".format(*told)
    return ""


def _facts(entry: ContentsEntry) -> tuple[str, int, bytes]:
    return entry.mode, entry.size_bytes, entry.path.rstrip(b"/")
