"""Whether the members of an archive that are wanted can be restored by themselves."""

from __future__ import annotations

import os
from collections.abc import Iterable

from thaniya_core.errors import WrongUsage
from thaniya_core.formats.contents import ContentsEntry
from thaniya_core.formats.restoring import Part, not_in_backup


def check_members(backup_id: str, entries: Iterable[ContentsEntry], part: Part, *, may_be_absent: bool = False) -> None:
    """Make sure, before anything is written, that an archive's wanted members can be restored by themselves.

    Args:
        backup_id: the backup, for the error.
        entries: the archive's contents list.
        part: the archive, and the members wanted.
        may_be_absent: another archive of the chain may hold what this one does not.

    Raises:
        NotFound: one is not in the list.
        WrongUsage: one is a hard link to a file that is not among them.
    """
    wanted = {os.fsencode(member): member for member in part.members}
    found: set[bytes] = set()
    for entry in entries:
        path = _bare(entry.path)
        hit = _holder(wanted, path)
        if hit is None:
            continue
        found.add(hit)
        if entry.mode.startswith("h") and entry.target is not None:
            target = _bare(entry.target)
            if _holder(wanted, target) is None:
                raise WrongUsage(
                    f"{os.fsdecode(path)!r} is a hard link to {os.fsdecode(target)!r}, which holds the data",
                    hint="restore both paths",
                )
    missing = [part.outer(member) for path, member in wanted.items() if path not in found]
    if missing and not may_be_absent:
        raise not_in_backup(backup_id, missing)


def _holder(wanted: Iterable[bytes], path: bytes) -> bytes | None:
    """The wanted member that is this path or a directory above it."""
    return next((member for member in wanted if path == member or path.startswith(member + b"/")), None)


def _bare(path: bytes) -> bytes:
    return path.removeprefix(b"./").rstrip(b"/")
