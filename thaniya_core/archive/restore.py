"""Restoring at the server, with the programs that RESTORE.txt names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from thaniya_core.errors import CommandFailed, IntegrityFailed, NotFound, WrongState, WrongUsage
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind, tar_extract_extras
from thaniya_core.system.files import hash_file, make_directories, os_errors
from thaniya_core.system.run import Process, run

RESTORE_TIMEOUT_S = 7 * 86400.0
"""No restore of one archive takes a week; what hangs must end."""


def marker(target: Path, backup_id: str) -> Path:
    """The file that lies in a target while a restore into it is not finished."""
    return target / f".thaniya-restoring-{backup_id}"


def extract_command(file: BackupFile, archive: Path | None, target: Path, members: Sequence[str]) -> list[str]:
    """The command that extracts a tar archive, or some members of it; None reads the decompressed archive from stdin.

    A member that is a directory brings all below it.
    """
    options = [f"--file={archive or '-'}", f"--directory={target}"]
    if archive is not None and file.compression != "none":
        options.append(f"--{file.compression}")
    return [
        "tar",
        "--extract",
        "--preserve-permissions",
        "--numeric-owner",
        *tar_extract_extras(file),
        *options,
        *(["--no-wildcards", "--", *members] if members else []),
    ]


def member_names(paths: Sequence[str]) -> list[str]:
    """Paths as people give them (`etc/passwd`, `./etc`, `etc/`) as the archive names them: `./etc/passwd`.

    Raises:
        WrongUsage: a path that is empty or leads out of the archive.
    """
    members: list[str] = []
    for path in paths:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            raise WrongUsage(f"{path!r} is not a path inside a backup", hint="paths are listed by `backup files`")
        members.append("./" + "/".join(parts))
    return members


def restore_backup(
    document: BackupDocument, directory: Path, target: Path, paths: Sequence[str] = (), *, overwrite: bool = False
) -> None:
    """Check the sums of a backup and restore it, or some paths of it, into a directory.

    Args:
        document: what is known of the backup.
        directory: where it lies.
        target: where to restore; made when missing.
        paths: paths inside its tar archives, or names of its other files; empty for all.
        overwrite: restore into a directory that is not empty, over files of the same names.

    Raises:
        WrongState: the target is not empty.
        IntegrityFailed: a sum is wrong; nothing was restored.
        NotFound: a path is not in the backup.
        CommandFailed: tar failed.
    """
    members = member_names(paths)
    with os_errors(f"restore into {target}"):
        _prepare(target, document.id, overwrite)
        wanted = [file for file in document.files if file.kind in (FileKind.TAR, FileKind.FILE)]
        if paths:
            wanted = [file for file in wanted if file.kind is FileKind.TAR or f"./{file.name}" in members]
        for file in wanted:
            sha256, _ = hash_file(directory / file.name)
            if sha256 != file.sha256:
                raise IntegrityFailed(f"{file.name} of {document.id} is damaged; nothing was restored")
        tar_members = [name for name in members if name not in {f"./{file.name}" for file in wanted}]
        for file in wanted:
            if file.kind is FileKind.FILE:
                run(["cp", "-p", "--", str(directory / file.name), str(target)], timeout_s=RESTORE_TIMEOUT_S)
        _extract([file for file in wanted if file.kind is FileKind.TAR], directory, target, tar_members, bool(paths))
        marker(target, document.id).unlink()


def _prepare(target: Path, backup_id: str, overwrite: bool) -> None:
    make_directories(target)
    begun = marker(target, backup_id)
    if not overwrite and not begun.exists() and any(target.iterdir()):
        raise WrongState(
            f"{target} is not empty; nothing was restored",
            hint="give an empty directory, or --overwrite to restore over what is there",
        )
    begun.touch()


def _extract(files: list[BackupFile], directory: Path, target: Path, members: list[str], only_some: bool) -> None:
    """Extract archives; of several archives each member need be in one only."""
    if only_some and not members:
        return
    missing = set(members)
    for file in files:
        command = extract_command(file, directory / file.name, target, members)
        with Process(command, timeout_s=RESTORE_TIMEOUT_S, env={"LC_ALL": "C"}) as tar:
            exit_code = tar.wait()
        not_found = {name for name in members if f"tar: {name}: Not found in archive" in tar.stderr_lines}
        missing &= not_found
        if exit_code != 0 and not not_found:
            raise CommandFailed(f"tar could not restore {file.name}: {'; '.join(list(tar.stderr_lines)[-5:])}")
    if missing:
        raise NotFound(f"not in this backup: {', '.join(sorted(missing))}", hint="see the list of its files")
