"""Chains: an increment, the backup it builds on, and so on down to a full one. The rules for all who restore.

Archives belong together by their names without suffixes: `home.tar.gz` of an increment is unpacked over what
`home.tar.xz` of its parent gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from thaniya_core.errors import IntegrityFailed, NotFound
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind
from thaniya_core.formats.restoring import Part, tar_stem

LONGEST_CHAIN = 1000
"""More increments than this in a row are not agreed to, and not restored."""


class Step(Struct, frozen=True):
    """A file of a backup that is restored, on the way to a part of the same backup or of one that builds on it."""

    document: BackupDocument
    part: Part
    is_of_chain: bool = False
    """There are others for the same part: only all of them together tell what is in the backup."""


def is_incremental(files: Iterable[BackupFile]) -> bool:
    """Whether some of the files need those of a parent."""
    return any(file.incremental for file in files)


def read_chain(document: BackupDocument, read: Callable[[str], BackupDocument]) -> list[BackupDocument]:
    """A backup and those that it needs, one after the other down to a full one.

    Args:
        document: the backup.
        read: gives the document of a backup; it raises NotFound where there is none.

    Raises:
        NotFound: one of them is not there; the backup cannot be restored.
        IntegrityFailed: they are no chain.
    """
    chain = [document]
    while is_incremental(chain[-1].files):
        wanted = chain[-1].parent or ""
        try:
            parent = read(wanted)
        except NotFound as exc:
            raise NotFound(
                f"backup {document.id} cannot be restored: it builds on {wanted}, which is not there",
                hint="restore the backup before it, or a full one",
            ) from exc
        if parent.id != wanted or parent.series != document.series:
            raise IntegrityFailed(f"backup {chain[-1].id} does not build on {wanted}, though it says so")
        chain.append(parent)
        if len(chain) > LONGEST_CHAIN:
            raise IntegrityFailed(f"backup {document.id} builds on more than {LONGEST_CHAIN} others")
    return chain


def restore_steps(chain: Sequence[BackupDocument], parts: Iterable[Part]) -> list[Step]:
    """What is unpacked, in this order, to restore some parts of a backup.

    Args:
        chain: as `read_chain` gives it.
        parts: of the first backup in it.

    Raises:
        IntegrityFailed: a parent lacks an archive that an increment builds on.
    """
    return [step for part in parts for step in _steps_of(chain, part)]


def _steps_of(chain: Sequence[BackupDocument], part: Part) -> list[Step]:
    steps = [Step(chain[0], part)]
    for document in chain[1:]:
        if not steps[-1].part.file.incremental:
            break
        base = find_base(part.file, document)
        steps.append(Step(document, Part(base, part.directory, part.members)))
    if steps[-1].part.file.incremental:
        raise IntegrityFailed(f"{part.file.name} of backup {chain[0].id} builds on more than there is")
    return [replace(step, is_of_chain=len(steps) > 1) for step in steps[::-1]]


def find_base(file: BackupFile, parent: BackupDocument) -> BackupFile:
    """The archive of a parent that an increment builds on.

    Raises:
        IntegrityFailed: it has none of that name, or several.
    """
    wanted = tar_stem(file)
    fitting = [each for each in parent.files if each.kind is FileKind.TAR and tar_stem(each) == wanted]
    if len(fitting) != 1:
        raise IntegrityFailed(
            f"{file.name} builds on backup {parent.id}, which has {len(fitting)} archives {wanted}.tar"
        )
    return fitting[0]
