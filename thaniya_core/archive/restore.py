"""Restoring at the server, with the programs that RESTORE.txt names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_core.errors import CommandFailed, IntegrityFailed, NotFound, WrongState, WrongUsage
from thaniya_core.formats.contents import unescape_path
from thaniya_core.formats.documents import restore_directory, tar_extract_extras
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind
from thaniya_core.system.files import hash_file, make_directories, os_errors
from thaniya_core.system.run import Process, run

RESTORE_TIMEOUT_S = 7 * 86400.0
"""No restore of one archive takes a week; what hangs must end."""

_ENVIRONMENT = {"LC_ALL": "C", "TAR_OPTIONS": ""}
_NOT_FOUND = re.compile(r'tar: "(?P<path>(?:[^"\\]|\\.)*)": Not found in archive', re.DOTALL)
_SUMMARY = "tar: Exiting with failure status due to previous errors"
_SHOWN_MESSAGES = 5


class Part(Struct, frozen=True):
    """A file of a backup that is to be restored."""

    file: BackupFile
    directory: str
    """Below the target; empty for the target itself."""
    paths: tuple[tuple[str, str], ...] = ()
    """Of a tar archive: what is asked for, each as given and as it is called inside; empty for all of it."""


def marker(target: Path, backup_id: str) -> Path:
    """The file that lies in a target while a restore into it is not finished."""
    return target / f".thaniya-restoring-{backup_id}"


def extract_command(file: BackupFile, archive: Path, target: Path, members: Sequence[str]) -> list[str]:
    """The command that extracts a tar archive, or some members of it.

    A member that is a directory brings all below it.
    """
    return [
        "tar",
        "--extract",
        "--preserve-permissions",
        "--numeric-owner",
        *tar_extract_extras(file),
        "--quoting-style=c",
        "--warning=no-unknown-keyword",
        "--warning=no-timestamp",
        f"--file={archive}",
        *([f"--{file.compression}"] if file.compression != "none" else []),
        f"--directory={target}",
        *(["--no-wildcards", "--no-unquote", "--", *members] if members else []),
    ]


def select_parts(document: BackupDocument, paths: Sequence[str]) -> list[Part]:
    """Which files of a backup, and what of each, a list of paths asks for; none asks for everything.

    Paths are what a whole restore would make below the target (`etc/passwd`, `./etc`, `etc/`): where a backup holds
    several tar archives they begin with the archive's directory.

    Raises:
        WrongUsage: a path that is empty or leads out of the backup.
        NotFound: a path that is in no file of the backup.
    """
    restorable = [
        Part(file, restore_directory(file, document.files))
        for file in document.files
        if file.kind in (FileKind.TAR, FileKind.FILE)
    ]
    if not paths:
        return restorable
    wanted = {_normalized(path) for path in paths}
    # A name that a file of the backup bears means that file, and is looked for in no archive.
    file_names = {part.file.name for part in restorable if part.file.kind is FileKind.FILE}
    found: set[str] = set()
    parts: list[Part] = []
    for part in restorable:
        possible = wanted & file_names if part.file.kind is FileKind.FILE else wanted - file_names
        inside = {path: inner for path in sorted(possible) if (inner := _inside(part, path)) is not None}
        if inside:
            found |= inside.keys()
            is_whole = "" in inside.values()
            parts.append(Part(part.file, part.directory, () if is_whole else tuple(inside.items())))
    _check_found(wanted - found)
    return parts


def restore_backup(
    document: BackupDocument, directory: Path, target: Path, paths: Sequence[str] = (), *, overwrite: bool = False
) -> None:
    """Check the sums of a backup and restore it, or some paths of it, into a directory.

    Args:
        document: what is known of the backup.
        directory: where it lies.
        target: where to restore; made when missing.
        paths: see `select_parts`; empty for all.
        overwrite: restore into a directory that is not empty, over files of the same names.

    Raises:
        WrongUsage: a path leads out of the backup.
        WrongState: the target is not empty.
        IntegrityFailed: a sum is wrong; nothing was restored.
        NotFound: a path is not in the backup; the others are restored.
        CommandFailed: tar failed.
    """
    parts = select_parts(document, paths)
    with os_errors(f"restore into {target}"):
        _check_target(target, document.id, overwrite)
        for part in parts:
            sha256, _ = hash_file(directory / part.file.name)
            if sha256 != part.file.sha256:
                raise IntegrityFailed(f"{part.file.name} of {document.id} is damaged; nothing was restored")
        make_directories(target)
        marker(target, document.id).touch()
        asked: set[str] = set()
        restored: set[str] = set()
        for part in parts:
            asked |= {path for path, _ in part.paths}
            restored |= _restore_part(part, directory / part.file.name, target)
        _check_found(asked - restored)
        marker(target, document.id).unlink()


def _normalized(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise WrongUsage(f"{path!r} is not a path inside a backup", hint="paths are listed by `backup files`")
    return "/".join(parts)


def _inside(part: Part, path: str) -> str | None:
    """What a path is called inside a file of the backup: empty for the whole of it, None where it cannot be in it."""
    if part.file.kind is FileKind.FILE:
        return "" if path == part.file.name else None
    if not part.directory:
        return path
    first, _, rest = path.partition("/")
    return rest if first == part.directory else None


def _check_found(missing: set[str]) -> None:
    if missing:
        raise NotFound(f"not in this backup: {', '.join(sorted(missing))}", hint="see the list of its files")


def _check_target(target: Path, backup_id: str, overwrite: bool) -> None:
    if not overwrite and target.exists() and not marker(target, backup_id).exists() and any(target.iterdir()):
        raise WrongState(
            f"{target} is not empty; nothing was restored",
            hint="give an empty directory, or --overwrite to restore over what is there",
        )


def _restore_part(part: Part, stored: Path, target: Path) -> set[str]:
    """Restore one file; gives which of its paths were there."""
    if part.file.kind is FileKind.FILE:
        run(["cp", "-p", "-f", "--", str(stored), str(target)], timeout_s=RESTORE_TIMEOUT_S)
        return set()
    into = target / part.directory
    make_directories(into)
    # An archive made by other means may hold `a/b` where ours hold `./a/b`: both are asked for.
    members = [name for _, inner in part.paths for name in (f"./{inner}", inner)]
    absent = _extract(extract_command(part.file, stored, into, members), part.file.name)
    return {path for path, inner in part.paths if not {f"./{inner}", inner} <= absent}


def _extract(command: Sequence[str], name: str) -> set[str]:
    """Run tar; gives which of the members were not in the archive."""
    messages: list[str] = []
    with Process(command, timeout_s=RESTORE_TIMEOUT_S, env=_ENVIRONMENT, on_stderr=messages.append) as tar:
        exit_code = tar.wait()
    matches = [_NOT_FOUND.fullmatch(message) for message in messages]
    absent = {os.fsdecode(unescape_path(match["path"])) for match in matches if match is not None}
    others = [text for text, match in zip(messages, matches, strict=True) if match is None and text != _SUMMARY]
    if exit_code != 0 and (others or not absent):
        tail = "; ".join(others[-_SHOWN_MESSAGES:])
        raise CommandFailed(f"tar could not restore {name}: {tail}", exit_code=exit_code)
    return absent
