"""Restoring at the server, with the programs that RESTORE.txt names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from thaniya_core.errors import CommandFailed, IntegrityFailed
from thaniya_core.formats.manifest import BackupDocument, FileKind
from thaniya_core.formats.restoring import Part, not_in_backup, select_parts
from thaniya_core.formats.tar import absent_members, extract_options, member_arguments, missing_member
from thaniya_core.system.files import hash_file, make_directories, os_errors
from thaniya_core.system.marked_directory import check_target, marked_directory
from thaniya_core.system.run import Process, run

RESTORE_TIMEOUT_S = 7 * 86400.0
"""No restore of one archive takes a week; what hangs must end."""

_ENVIRONMENT = {"LC_ALL": "C", "TAR_OPTIONS": ""}
_SUMMARY = "tar: Exiting with failure status due to previous errors"
_SHOWN_MESSAGES = 5


def extract_command(part: Part, archive: Path, target: Path) -> list[str]:
    """The command that extracts a tar archive, or the members of it that are wanted."""
    compression = part.file.compression
    return [
        "tar",
        *extract_options(part.file),
        "--warning=no-unknown-keyword",
        "--warning=no-timestamp",
        f"--file={archive}",
        *([f"--{compression}"] if compression != "none" else []),
        f"--directory={target}",
        *member_arguments(part.members),
    ]


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
        WrongUsage: a path leads out of the backup, or the target is no directory.
        AlreadyExists: the target is not empty.
        IntegrityFailed: a sum is wrong; nothing was restored.
        NotFound: a path is not in the backup; the others are restored.
        CommandFailed: tar failed.
    """
    parts = select_parts(document, paths)
    check_target(target, document.id, overwrite=overwrite)
    with os_errors(f"restore into {target}"):
        for part in parts:
            sha256, _ = hash_file(directory / part.file.name)
            if sha256 != part.file.sha256:
                raise IntegrityFailed(f"{part.file.name} of {document.id} is damaged; nothing was restored")
        with marked_directory(target, document.id, overwrite=overwrite) as place:
            absent = [path for part in parts for path in _restore_part(part, directory / part.file.name, place)]
        if absent:
            raise not_in_backup(document.id, absent)


def _restore_part(part: Part, stored: Path, target: Path) -> list[str]:
    """Restore one file; gives which of the paths wanted of it were not there."""
    if part.file.kind is FileKind.FILE:
        run(["cp", "-p", "-f", "--", str(stored), str(target)], timeout_s=RESTORE_TIMEOUT_S)
        return []
    into = target / part.directory
    make_directories(into)
    missing = _extract(extract_command(part, stored, into), part.file.name)
    return [part.outer(member) for member in absent_members(part.members, missing)]


def _extract(command: Sequence[str], name: str) -> set[bytes]:
    """Run tar; gives which of the names were not in the archive."""
    messages: list[str] = []
    with Process(command, timeout_s=RESTORE_TIMEOUT_S, env=_ENVIRONMENT, on_stderr=messages.append) as tar:
        exit_code = tar.wait()
    missing = {member for message in messages if (member := missing_member(message)) is not None}
    others = [text for text in messages if missing_member(text) is None and text != _SUMMARY]
    if exit_code != 0 and (others or not missing):
        tail = "; ".join(others[-_SHOWN_MESSAGES:])
        raise CommandFailed(f"tar could not restore {name}: {tail}", exit_code=exit_code)
    return missing
