"""What of a backup is restored, and where below the target: the rules that client, server and RESTORE.txt share."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_core.errors import NotFound, WrongUsage
from thaniya_core.formats.compression import strip_suffix
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind


class Part(Struct, frozen=True):
    """A file of a backup that is to be restored, wholly or some members of it."""

    file: BackupFile
    directory: str
    """Below the target; empty for the target itself."""
    members: tuple[str, ...] = ()
    """Of a tar archive: the paths wanted, as they are called inside, without a leading `./`; empty for all of it."""

    def outer(self, member: str) -> str:
        """What a path inside is called below the target."""
        return f"{self.directory}/{member}" if self.directory else member


def all_parts(files: Sequence[BackupFile]) -> list[Part]:
    """Every file that is restored, in the order of restoring.

    Plain files come first: one that came after an archive would change the time of a directory that the archive has
    restored. Where an increment is restored into the target itself they come last, because it removes what it does not
    know; the target's times are then to be put back.
    """
    parts = [Part(file, restore_directory(file, files)) for file in files if file.kind in (FileKind.TAR, FileKind.FILE)]
    return sorted(parts, key=lambda part: (part.file.kind is FileKind.TAR) != archives_come_first(files))


def archives_come_first(files: Iterable[BackupFile]) -> bool:
    """Whether an increment is restored into the target itself."""
    archives = [file for file in files if file.kind is FileKind.TAR]
    return len(archives) == 1 and archives[0].incremental


def select_parts(document: BackupDocument, paths: Sequence[str]) -> list[Part]:
    """Which files of a backup, and what of each, a list of paths asks for; no path asks for everything.

    Paths are what a whole restore makes below the target (`etc/passwd`, `./etc`, `etc/`, `/etc`; `./` is all of it):
    where a backup holds several tar archives they begin with the archive's directory. A name that a plain file of the
    backup bears means that file, and is looked for in no archive.

    Raises:
        WrongUsage: a path that is empty or leads out of the backup.
        NotFound: a path that can be in no file of the backup.
    """
    parts = all_parts(document.files)
    wanted = {normalize_path(path) for path in paths}
    if not wanted or "" in wanted:
        return parts
    plain_files = wanted & {part.file.restored_name for part in parts if part.file.kind is FileKind.FILE}
    selected: list[Part] = []
    found: set[str] = set()
    for part in parts:
        possible = plain_files if part.file.kind is FileKind.FILE else wanted - plain_files
        inside = {path: inner for path in sorted(possible) if (inner := _inside(part, path)) is not None}
        if inside:
            found |= inside.keys()
            selected.append(Part(part.file, part.directory, _outermost(inside.values())))
    if missing := wanted - found:
        raise not_in_backup(document.id, missing)
    return selected


def normalize_path(path: str) -> str:
    """A path as it is compared: `/alice`, `./alice` and `alice/` are `alice`.

    `./` and `/`, the whole backup, are empty.

    Raises:
        WrongUsage: it is empty, as an unset variable of a shell script is, or leads out of the backup.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not path or ".." in parts:
        raise WrongUsage(
            f"{path!r} is not a path inside a backup", hint="write it as `files` lists it: alice/notes.txt"
        )
    return "/".join(parts)


def not_in_backup(backup_id: str, paths: Iterable[str]) -> NotFound:
    """The error for paths that are not in a backup."""
    shown = ", ".join(repr(path) for path in sorted(paths))
    return NotFound(f"not in backup {backup_id}: {shown}", hint="`files` lists what is in it")


def restore_directory(file: BackupFile, files: Iterable[BackupFile]) -> str:
    """The directory below the target that a file is restored into; empty for the target itself.

    A single tar archive is restored into the target. Where a backup holds several, each gets a directory of its own, so
    that the trees do not mix: `home.tar.gz` goes into `home`, or into `home.tar.gz` where another file needs that name.
    """
    others = [other for other in files if other.name != file.name and other.kind in (FileKind.TAR, FileKind.FILE)]
    if file.kind is not FileKind.TAR or not any(other.kind is FileKind.TAR for other in others):
        return ""
    directory = tar_stem(file)
    is_taken = any(directory in (other.restored_name, tar_stem(other)) for other in others)
    return file.restored_name if is_taken else directory


def check_overwrite(parts: Iterable[Part], target: object, *, overwrite: bool) -> None:
    """Refuse to restore an increment over what is there: it would remove what it does not know.

    Raises:
        WrongUsage: that was asked for.
    """
    if overwrite and any(part.file.incremental for part in parts):
        raise WrongUsage(
            f"an increment cannot be restored over {target}: it would remove what was not in the backup",
            hint="restore it into a new directory, and copy from there",
        )


def absent_paths(part: Part, target: Path) -> list[str]:
    """Which of the wanted members of an increment are not there after its whole chain was unpacked."""
    place = target / part.directory
    return [part.outer(member) for member in part.members if not os.path.lexists(place / member)]


def restored_path(directory: str, path: bytes) -> bytes:
    """What a path inside a tar archive is called below the target: it begins with the archive's directory, if any."""
    return f"./{directory}/".encode() + path.removeprefix(b"./") if directory else path


def tar_stem(file: BackupFile) -> str:
    """A tar archive's name without suffixes, `home`: what the archives of a chain have in common."""
    return strip_suffix(file.restored_name).removesuffix(".tar")


def _outermost(members: Collection[str]) -> tuple[str, ...]:
    """The members that lie below no other one: GNU tar reports the others as not found. None for the whole archive."""
    if "" in members:
        return ()
    return tuple(one for one in members if not any(one.startswith(f"{other}/") for other in members))


def _inside(part: Part, path: str) -> str | None:
    """What a path is called inside a file of the backup: empty for the whole of it, None where it cannot be in it."""
    if part.file.kind is FileKind.FILE:
        return "" if path == part.file.restored_name else None
    if not part.directory:
        return path
    first, _, rest = path.partition("/")
    return rest if first == part.directory else None
