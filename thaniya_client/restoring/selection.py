"""Which files of a backup, and which members of its archives, a list of paths means."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from msgspec import Struct

from thaniya_core.errors import NotFound, WrongUsage
from thaniya_core.formats.contents import ContentsEntry
from thaniya_core.formats.documents import restore_directory
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind


class Wanted(Struct, frozen=True):
    """A file of the backup that is to be restored."""

    file: BackupFile
    directory: str
    """Below the target; empty for the target itself."""
    paths: tuple[bytes, ...] = ()
    """Of a tar archive: the members wanted, without a leading `./`; empty for all."""


def select_files(document: BackupDocument, paths: Sequence[str]) -> list[Wanted]:
    """What is to be restored.

    Args:
        document: the backup.
        paths: as in `Target.restore`; none: everything.

    Raises:
        NotFound: a path can be in no file of the backup.
        WrongUsage: a path that leads out of the backup.
    """
    restorable = [
        Wanted(file, restore_directory(file, document.files))
        for file in document.files
        if file.kind in (FileKind.TAR, FileKind.FILE)
    ]
    wanted = {_normalize(path) for path in paths}
    if not paths or "" in wanted:
        return restorable
    selected: list[Wanted] = []
    found: set[str] = set()
    for candidate in restorable:
        matching = {path: _within(candidate, path) for path in wanted}
        hits = {path: inner for path, inner in matching.items() if inner is not None}
        if hits:
            found |= set(hits)
            everything = "" in hits.values()
            members = () if everything else tuple(sorted(os.fsencode(inner) for inner in hits.values()))
            selected.append(Wanted(candidate.file, candidate.directory, members))
    if missing := sorted(wanted - found):
        raise not_found(document.id, missing)
    return selected


def _within(candidate: Wanted, path: str) -> str | None:
    """The path inside a file of the backup: empty for the whole of it, None for outside of it."""
    if candidate.file.kind is FileKind.FILE:
        return "" if path == candidate.file.name else None
    if not candidate.directory:
        return path
    first, _, rest = path.partition("/")
    return rest if first == candidate.directory else None


def _normalize(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        raise WrongUsage(
            f"{path!r} is not a path inside a backup", hint="write it as `files` lists it: alice/notes.txt"
        )
    return "/".join(parts)


def check_members(backup_id: str, entries: Iterable[ContentsEntry], paths: Sequence[bytes]) -> None:
    """Make sure, before anything is written, that an archive's wanted members can be restored by themselves.

    Raises:
        NotFound: a path is not in the list.
        WrongUsage: one is a hard link to a file that is not among them.
    """
    found: set[bytes] = set()
    for entry in entries:
        member = _bare(entry.path)
        hit = next((path for path in paths if member == path or member.startswith(path + b"/")), None)
        if hit is None:
            continue
        found.add(hit)
        if entry.mode.startswith("h") and entry.target is not None:
            target = _bare(entry.target)
            if not any(target == path or target.startswith(path + b"/") for path in paths):
                raise WrongUsage(
                    f"{os.fsdecode(member)!r} is a hard link to {os.fsdecode(target)!r}, which holds the data",
                    hint="restore both paths",
                )
    if missing := [os.fsdecode(path) for path in paths if path not in found]:
        raise not_found(backup_id, missing)


def _bare(path: bytes) -> bytes:
    return path.removeprefix(b"./").rstrip(b"/")


def not_found(backup_id: str, paths: Sequence[str]) -> NotFound:
    """The error for paths that are not in a backup."""
    shown = ", ".join(repr(path) for path in paths[:5])
    return NotFound(f"backup {backup_id} does not have {shown}", hint=f"thaniya-client files {backup_id}")
