"""Restoring at the server, with the programs that RESTORE.txt names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from thaniya_core.archive.reading import OnChunk
from thaniya_core.errors import CommandFailed, IntegrityFailed
from thaniya_core.formats.chains import Step, restore_steps
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.encryption import identity_needed
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind
from thaniya_core.formats.restoring import (
    Part,
    absent_paths,
    archives_come_first,
    check_overwrite,
    not_in_backup,
    select_parts,
)
from thaniya_core.formats.tar import (
    absent_members,
    compression_options,
    extract_options,
    member_arguments,
    missing_member,
    needs_root,
)
from thaniya_core.system.files import CHUNK_BYTES, hash_file, make_directories, os_errors
from thaniya_core.system.marked_directory import check_target, make_writable, marked_directory
from thaniya_core.system.run import Process, run

RESTORE_TIMEOUT_S = 7 * 86400.0
"""No restore of one archive takes a week; what hangs must end."""

_ENVIRONMENT = {"LC_ALL": "C", "TAR_OPTIONS": ""}
_SUMMARY = "tar: Exiting with failure status due to previous errors"
_SHOWN_MESSAGES = 5


def extract_command(part: Part, archive: Path, target: Path) -> list[str]:
    """The command that extracts a tar archive, or the members of it that are wanted."""
    return [
        "tar",
        *extract_options(part.file),
        "--warning=no-unknown-keyword",
        "--warning=no-timestamp",
        f"--file={archive}",
        *compression_options(part.file.compression),
        f"--directory={target}",
        *member_arguments(part.members, incremental=part.file.incremental),
    ]


class Stored(Struct, frozen=True):
    """A backup, and where it lies."""

    document: BackupDocument
    directory: Path


def restore_backup(
    chain: Sequence[Stored],
    target: Path,
    paths: Sequence[str] = (),
    *,
    overwrite: bool = False,
    on_chunk: OnChunk | None = None,
) -> int | None:
    """Check the sums of a backup and restore it, or some paths of it, into a directory.

    Args:
        chain: the backup; of an increment also what it builds on, down to the full one.
        target: where to restore; made when missing.
        paths: see `select_parts`; empty for all.
        overwrite: restore into a directory that is not empty, over files of the same names.
        on_chunk: called with the number of stored bytes whose sum was computed since the last call.

    Returns:
        How many files came, directories not counted; None with `overwrite`, where others lie among them.

    Raises:
        WrongUsage: a path leads out of the backup, the target is no directory, or an increment is to overwrite one.
        AlreadyExists: the target is not empty.
        IntegrityFailed: a sum is wrong; nothing was restored.
        NotFound: a path is not in the backup; the others are restored.
        IdentityNeeded: something of it is encrypted: who has the key restores it, not the server.
        CommandFailed: tar failed.
    """
    document = chain[0].document
    parts = select_parts(document, paths)
    for step, _ in _find_stored(chain, parts):
        check_readable(step.document, [step.part])
    check_overwrite(parts, target, overwrite=overwrite)
    check_target(target, document.id, overwrite=overwrite)
    with os_errors(f"restore into {target}"):
        for step, stored in _find_stored(chain, parts):
            sha256, _ = hash_file(stored, on_chunk)
            if sha256 != step.part.file.sha256:
                raise IntegrityFailed(
                    f"{step.part.file.name} of {step.document.id} is damaged; nothing was restored",
                    hint="restore the backup before or after it, or paths that lie in its other files",
                )
        with marked_directory(target, document.id, overwrite=overwrite) as place:
            absent = unpack_backup(chain, place, parts)
            came = None if overwrite else _count_files(place)
        if absent:
            raise not_in_backup(document.id, absent)
        return came


def check_readable(document: BackupDocument, parts: Sequence[Part]) -> None:
    """Make sure that no key is needed to restore some parts of a backup.

    Raises:
        IdentityNeeded: one is.
    """
    for part in parts:
        if part.file.is_encrypted:
            raise identity_needed(document.id, part.file.name)


def _count_files(directory: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(os.fsencode(directory)))


def _find_stored(chain: Sequence[Stored], parts: Sequence[Part]) -> list[tuple[Step, Path]]:
    """What is unpacked, in this order, and where it lies."""
    directories = {stored.document.id: stored.directory for stored in chain}
    steps = restore_steps([stored.document for stored in chain], parts)
    return [(step, directories[step.document.id] / step.part.file.name) for step in steps]


def unpack_backup(
    chain: Sequence[Stored],
    target: Path,
    parts: Sequence[Part],
    *,
    as_far_as_allowed: bool = False,
) -> list[str]:
    """Restore parts of a backup into a directory that is there. Their sums are taken to be checked.

    Args:
        chain: the backup; of an increment also what it builds on, down to the full one.
        target: where to restore.
        parts: what of it.
        as_far_as_allowed: let pass what only root may restore: owners, devices, some attributes.

    Returns:
        Which of the paths wanted are not in it.

    Raises:
        CommandFailed: tar or a decompressor failed.
    """
    may_pass = needs_root if as_far_as_allowed else _nothing
    absent: list[str] = []
    status = None
    for step, stored in _find_stored(chain, parts):
        if step.part.file.kind is FileKind.FILE and status is None and archives_come_first(chain[0].document.files):
            status = target.stat()
        missing = _restore_part(step.part, stored, target, may_pass)
        if step.document.id == chain[0].document.id:
            absent += absent_paths(step.part, target) if step.part.file.incremental else missing
    if status is not None:
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    return absent


def _nothing(_: str) -> bool:
    return False


def _restore_part(part: Part, stored: Path, target: Path, may_pass: Callable[[str], bool]) -> list[str]:
    """Restore one file; gives which of the paths wanted of it were not there."""
    if part.file.kind is FileKind.FILE:
        _restore_file(part.file, stored, target)
        return []
    into = target / part.directory
    make_directories(into)
    if part.file.incremental:
        make_writable(into)  # tar sets all modes again, which may shut out who is not root
    missing = _extract(extract_command(part, stored, into), part.file.name, may_pass)
    return [part.outer(member) for member in absent_members(part.members, missing)]


def _restore_file(file: BackupFile, stored: Path, target: Path) -> None:
    """Restore a plain file with its times, decompressed where the archive has compressed it."""
    if file.restored_compression is Compression.NONE:
        run(["cp", "-p", "-f", "--", str(stored), str(target)], timeout_s=RESTORE_TIMEOUT_S)
        return
    place = target / file.restored_name
    place.unlink(missing_ok=True)
    command = [*file.restored_compression.decompress_command.split(), "--", str(stored)]
    with place.open("xb") as plain, Process(command, timeout_s=RESTORE_TIMEOUT_S, stdout=True) as decompressor:
        shutil.copyfileobj(decompressor.stdout, plain, CHUNK_BYTES)
        decompressor.check()
    run(["touch", "-r", str(stored), "--", str(place)], timeout_s=RESTORE_TIMEOUT_S)


def _extract(command: Sequence[str], name: str, may_pass: Callable[[str], bool]) -> set[bytes]:
    """Run tar; gives which of the names were not in the archive."""
    messages: list[str] = []
    with Process(command, timeout_s=RESTORE_TIMEOUT_S, env=_ENVIRONMENT, on_stderr=messages.append) as tar:
        exit_code = tar.wait()
    missing = {member for message in messages if (member := missing_member(message)) is not None}
    passed = [text for text in messages if may_pass(text)]
    others = [text for text in messages if missing_member(text) is None and text != _SUMMARY and text not in passed]
    if exit_code != 0 and (others or not (missing or passed)):
        tail = "; ".join(others[-_SHOWN_MESSAGES:])
        raise CommandFailed(f"tar could not restore {name}: {tail}", exit_code=exit_code)
    return missing
