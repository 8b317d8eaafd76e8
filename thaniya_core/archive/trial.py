"""Restoring on trial: into a scratch directory, and compared with what the backup says of itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from thaniya_core.archive.contents import read_contents
from thaniya_core.archive.reading import killing_signal
from thaniya_core.archive.restore import Stored, unpack_backup
from thaniya_core.archive.scratch import scratch_directory
from thaniya_core.errors import CommandFailed, IntegrityFailed, NoSpace
from thaniya_core.formats.contents import ContentsEntry, escape_path
from thaniya_core.formats.manifest import BackupDocument, FileKind, find_contents
from thaniya_core.formats.quantities import format_size
from thaniya_core.formats.restoring import Part, all_parts
from thaniya_core.system.files import hash_file, os_errors
from thaniya_core.system.space import free_bytes

MARGIN_BYTES = 64 * 1024 * 1024
"""What a trial leaves free on the disk."""

_DIFFERENCES_KEPT = 1000
_MORE_ROOM = "name a directory with more room by --scratch"


def try_restore(chain: Sequence[Stored], scratch: Path, unpacked_bytes: int) -> tuple[str, ...]:
    """Restore a backup, compare, and remove what was restored. The sums of what is stored were checked before.

    Without root's rights owners and devices do not come back; that is not held against the backup.

    Args:
        chain: the backup; of an increment also what it builds on, down to the full one.
        scratch: where to make a directory for it.
        unpacked_bytes: what the restore will take.

    Returns:
        What is wrong, one line each.

    Raises:
        NoSpace: it does not fit; that says nothing about the backup.
        CommandFailed: a program could not be started or was killed; that says nothing about it either.
        Busy: another process tries the same.
    """
    document, directory = chain[0].document, chain[0].directory
    with scratch_directory(scratch, document.id) as target, os_errors(f"restore {document.id} on trial"):
        free = free_bytes(target)
        if free < unpacked_bytes + MARGIN_BYTES:
            raise NoSpace(
                f"{document.id} takes {format_size(unpacked_bytes)} to restore, and {format_size(free)} are free in "
                f"{scratch}",
                hint=_MORE_ROOM,
            )
        try:
            unpack_backup(chain, target, all_parts(document.files), as_far_as_allowed=True)
        except CommandFailed as error:
            if free_bytes(target) < MARGIN_BYTES:  # tar tells of it in many ways
                raise NoSpace(
                    f"the disk of {scratch} filled while {document.id} was restored on trial", hint=_MORE_ROOM
                ) from error
            exit_code = error.facts.get("exit_code")
            if not isinstance(exit_code, int) or killing_signal(
                exit_code, error.message.partition(": ")[2].split("; ")
            ):
                raise  # a program could not be started, or was killed
            return (f"it cannot be restored: {error.message}",)
        parts = all_parts(document.files)
        return tuple(found for part in parts for found in _compare(directory, document, part, target))


def _compare(directory: Path, document: BackupDocument, part: Part, target: Path) -> Iterator[str]:
    if part.file.kind is FileKind.FILE:
        sha256, size = hash_file(target / part.file.restored_name)
        if (sha256, size) != (part.file.restored_sha256, part.file.restored_bytes):
            yield f"{part.file.restored_name} was restored otherwise than it was uploaded"
        return
    contents = find_contents(document.files, part.file.name)
    if contents is None:
        return
    differing: dict[bytes, str] = {}
    try:
        for entry in read_contents(directory, contents):
            difference = compare_entry(entry, os.fsencode(target / part.directory))
            if difference and len(differing) < _DIFFERENCES_KEPT:
                differing[entry.path] = difference
            else:
                differing.pop(entry.path, None)  # a later member of the same path takes the place of an earlier one
    except IntegrityFailed as error:
        yield error.message
    yield from differing.values()


def compare_entry(entry: ContentsEntry, root: bytes) -> str:
    """How what was restored differs from a line of the contents list; empty when it does not."""
    path = os.path.join(root, entry.path)  # noqa: PTH118 - any bytes
    shown = escape_path(entry.path)
    try:
        status = os.lstat(path)
    except PermissionError:
        return ""  # below a directory that was restored with a mode that shuts its owner out
    except FileNotFoundError:
        is_device = entry.mode[0] in "bc"
        return "" if is_device and os.geteuid() != 0 else f"{shown} was not restored"
    kind, found = entry.mode[0], stat.filemode(status.st_mode)
    if kind != "h" and kind != found[0]:
        return f"{shown} was restored as {found}, not as {entry.mode}"
    if kind in "-C" and status.st_size != entry.size_bytes:
        return f"{shown} was restored with {status.st_size} bytes, not {entry.size_bytes}"
    if kind == "l":
        return "" if os.readlink(path) == entry.target else f"{shown} was restored with another target"  # noqa: PTH115
    return "" if found[1:] == entry.mode[1:] else f"{shown} was restored with the mode {found}, not {entry.mode}"
