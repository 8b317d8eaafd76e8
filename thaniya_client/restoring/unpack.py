"""Unpacks a tar archive from a stream, with GNU tar or with Python's tarfile."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Any, cast

from thaniya_client.tasks.gnu_tar import ENVIRONMENT, GnuTar, clean_message
from thaniya_core.errors import CommandFailed, IntegrityFailed
from thaniya_core.formats.restoring import Part
from thaniya_core.formats.tar import absent_members, missing_member, needs_root
from thaniya_core.system.files import os_errors
from thaniya_core.system.run import Process

# Members are checked here. Python before 3.11.4 knows no filters.
_TRUSTED: dict[str, Any] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
_TIMEOUT_S = 30 * 86400.0


def unpack_with_tar(tar: GnuTar, part: Part, chunks: Iterator[bytes], target: Path) -> tuple[list[str], list[str]]:
    """Feed an archive to GNU tar.

    Gives what only root could restore, and which of the wanted members were not in the archive.

    Raises:
        CommandFailed: tar could not restore everything.
    """
    messages: list[str] = []

    def keep(line: str) -> None:
        if message := clean_message(line):
            messages.append(message)

    arguments = tar.extract_arguments(part, target)
    with Process(arguments, timeout_s=_TIMEOUT_S, stdin=True, env=ENVIRONMENT, on_stderr=keep) as process:
        try:
            for chunk in chunks:
                process.stdin.write(chunk)
        except BrokenPipeError:
            pass  # tar ended early: its exit code and messages say why
        exit_code = process.wait()
    missing = {name for message in messages if (name := missing_member(message)) is not None}
    left_out = [message for message in messages if needs_root(message)]
    serious = [message for message in messages if missing_member(message) is None and not needs_root(message)]
    if exit_code != 0 and (serious or not (missing or left_out)):
        tail = "; ".join(serious[-5:])
        raise CommandFailed(f"tar could not restore everything into {target}, exit code {exit_code}: {tail}")
    return left_out + (serious if exit_code == 0 else []), absent_members(part.members, missing)


def unpack_with_python(part: Part, chunks: Iterator[bytes], target: Path, warn: Callable[[str], None]) -> list[str]:
    """Unpack an archive with Python's tarfile; gives which of the wanted members were not in it.

    Unlike GNU tar it does not restore the times of symbolic links.

    Raises:
        IntegrityFailed: it is no tar archive, or a member would be written outside of the target.
    """
    file, wanted = part.file, {os.fsencode(member): member for member in part.members}
    if file.xattrs or file.acls:
        warn("extended attributes and access control lists are left out: they need GNU tar")
    found: set[bytes] = set()
    try:
        with (
            os_errors(f"restore into {target}"),
            tarfile.open(mode="r|", fileobj=cast(IO[bytes], ChunkReader(chunks)), bufsize=1024 * 1024) as tar,
        ):
            members = (_check_member(member, target) for member in _wanted_members(tar, wanted, found))
            tar.extractall(target, members=members, numeric_owner=True, **_TRUSTED)
    except (tarfile.TarError, ValueError, KeyError) as exc:
        raise IntegrityFailed(f"{file.name} cannot be unpacked: {exc}") from exc
    return [member for path, member in wanted.items() if path not in found]


def _wanted_members(tar: tarfile.TarFile, wanted: Collection[bytes], found: set[bytes]) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every member in memory
        name = os.fsencode(member.name).removeprefix(b"./")
        hit = next((path for path in wanted if name == path or name.startswith(path + b"/")), None)
        if hit is not None:
            found.add(hit)
        if hit is not None or not wanted:
            yield member


def _check_member(member: tarfile.TarInfo, target: Path) -> tarfile.TarInfo:
    """Keep everything of a member, but refuse one that lies outside of the target, perhaps by way of a link."""
    root = target.resolve()
    path = Path(root, member.name)
    is_inside = path == root or path.parent.resolve().is_relative_to(root)
    if member.name.startswith("/") or ".." in member.name.split("/") or not is_inside:
        raise IntegrityFailed(f"the archive's member {member.name!r} would be written outside of {target}")
    if path.is_symlink() or path.is_file():
        path.unlink()  # as GNU tar does: never write through a link
    return member


class ChunkReader:
    """An iterator of bytes as a readable stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        wanted = size
        while wanted:
            if not self._rest:
                self._rest = next(self._chunks, b"")
                if not self._rest:
                    break
            parts.append(self._rest[:wanted])
            self._rest = self._rest[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)
