"""Writes one file from inside a backup to a stream."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from typing import IO, BinaryIO, cast

from thaniya_client.connectors.interface import Connector
from thaniya_client.restoring.contents import read_contents, read_tree
from thaniya_client.restoring.fetching import CHUNK_BYTES, copy_chunks, open_checked, read_decompressed
from thaniya_client.restoring.unpack import ChunkReader
from thaniya_core.errors import IntegrityFailed, WrongUsage
from thaniya_core.formats.chains import Step, read_chain, restore_steps
from thaniya_core.formats.contents import escape_path
from thaniya_core.formats.manifest import FileKind, find_contents
from thaniya_core.formats.names import check_id
from thaniya_core.formats.restoring import Part, not_in_backup, select_parts


def copy_inside_to(
    connector: Connector, backup_id: str, path: str, into: BinaryIO, identities: Sequence[object] = ()
) -> int:
    """See `Target.restore_file`."""
    document = connector.document(check_id(backup_id))
    parts = select_parts(document, [path])
    if len(parts) != 1 or (parts[0].file.kind is FileKind.TAR and len(parts[0].members) != 1):
        raise WrongUsage(f"{path!r} is not one file", hint="name a file as `files` lists it")
    part = parts[0]
    if part.file.kind is FileKind.FILE:
        with open_checked(connector, document, part.file, identities=identities) as (checked, stream):
            return copy_chunks(read_decompressed(checked, stream, part.file), into)
    steps = restore_steps(read_chain(document, connector.document), [part])
    step = steps[0] if len(steps) == 1 else _newest_step(connector, backup_id, steps[::-1], identities)
    wanted = os.fsencode(part.members[0])
    for _ in range(2):
        found = _copy_member(connector, step, wanted, into, identities)
        if isinstance(found, int):
            return found
        wanted = found  # a hard link: its data is that of the member it names
    raise IntegrityFailed(f"{step.part.file.name} of backup {step.document.id}: {path!r} is a link to a link")


def _newest_step(connector: Connector, backup_id: str, steps: Sequence[Step], identities: Sequence[object]) -> Step:
    """Which of a chain's archives holds the file as it was at the newest of them, which comes first."""
    newest, member = steps[0], steps[0].part.members[0]
    wanted = os.fsencode(newest.part.outer(member))
    tree = read_tree(connector, newest.document, Part(newest.part.file, newest.part.directory), identities)
    if not any(_bare(entry.path) == wanted for entry in tree):
        raise not_in_backup(backup_id, [newest.part.outer(member)])
    for step in steps:
        is_last = step is steps[-1] and find_contents(step.document.files, step.part.file.name) is None
        entries = read_contents(connector, step.document, step.part.file, identities)
        if is_last or any(_bare(entry.path) == os.fsencode(member) for entry in entries):
            return step
    raise not_in_backup(backup_id, [newest.part.outer(member)])


def _copy_member(
    connector: Connector, step: Step, wanted: bytes, into: BinaryIO, identities: Sequence[object]
) -> int | bytes:
    """Copy a member of an archive; gives its size, or the member whose hard link it is.

    The archive is read to its end all the same, because only as a whole it has a sum.
    """
    file = step.part.file
    result: int | bytes | None = None
    with open_checked(connector, step.document, file, identities=identities) as (checked, stream):
        chunks = read_decompressed(checked, stream, file)
        try:
            with tarfile.open(mode="r|", fileobj=cast(IO[bytes], ChunkReader(chunks)), bufsize=CHUNK_BYTES) as tar:
                for member in tar:
                    tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every member in memory
                    if _bare(os.fsencode(member.name)) == wanted:
                        result = _copy_found(tar, member, into)
                        break
        except (tarfile.TarError, EOFError) as exc:
            checked.check()
            raise IntegrityFailed(f"{file.name} of backup {step.document.id} cannot be unpacked: {exc}") from exc
    if result is None:
        raise not_in_backup(step.document.id, [os.fsdecode(wanted)])
    return result


def _copy_found(tar: tarfile.TarFile, member: tarfile.TarInfo, into: BinaryIO) -> int | bytes:
    if member.islnk():
        return _bare(os.fsencode(member.linkname))
    name = escape_path(os.fsencode(member.name))
    if member.issym():
        target = escape_path(os.fsencode(member.linkname))
        raise WrongUsage(f"{name} is a symbolic link to {target}", hint="name the file that it points to")
    data = tar.extractfile(member) if member.isfile() else None
    if data is None:
        raise WrongUsage(f"{name} is not a file", hint="restore it into a directory")
    return copy_chunks(iter(lambda: data.read(CHUNK_BYTES), b""), into)


def _bare(path: bytes) -> bytes:
    return path.removeprefix(b"./").rstrip(b"/")
