"""Packs a directory with Python's tarfile, for systems whose tar is not GNU: the same format and contents list."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from thaniya_client.packer import PackedFile
from thaniya_client.tasks.contents_list import ContentsList
from thaniya_client.tasks.walk import Found, walk_tree
from thaniya_core.formats.contents import ContentsEntry, escape_path

_BLOCK_BYTES = 1024 * 1024


def pack_with_python(
    root: Path,
    exclude: Sequence[str],
    one_file_system: bool,
    archive: PackedFile,
    contents: ContentsList,
    warn: Callable[[str], None],
) -> None:
    """Write a tar archive of a directory; what cannot be read is a warning. Holes are written as zeros."""
    found = walk_tree(root, exclude, one_file_system, lambda path, error: _warn_unreadable(warn, path, error))
    pack_found(root, found, archive, contents, warn)


def pack_found(
    root: Path,
    everything: Iterable[Found],
    archive: PackedFile,
    contents: ContentsList,
    warn: Callable[[str], None],
) -> None:
    """Write a tar archive of what was found below a directory; what cannot be read is a warning."""
    links: dict[tuple[int, int], bytes] = {}
    with tarfile.open(
        mode="w|", fileobj=cast(IO[bytes], archive), format=tarfile.PAX_FORMAT, bufsize=_BLOCK_BYTES
    ) as tar:
        for found in everything:
            if stat.S_ISSOCK(found.status.st_mode):
                continue
            try:
                entry = _add_member(tar, os.fsencode(root), found, links, warn)
            except OSError as exc:
                _warn_unreadable(warn, found.path, exc)
                continue
            contents.add(entry)
            tar.getmembers().clear()  # tarfile would keep every member in memory


def _warn_unreadable(warn: Callable[[str], None], path: bytes, error: OSError) -> None:
    warn(f'"./{escape_path(path)}": Cannot read: {error.strerror}')


def _add_member(
    tar: tarfile.TarFile,
    root: bytes,
    found: Found,
    links: dict[tuple[int, int], bytes],
    warn: Callable[[str], None],
) -> ContentsEntry:
    member = b"./" + found.path
    path = root + b"/" + found.path
    status = found.status
    info = _describe(member, status)
    inode = (status.st_dev, status.st_ino)
    target: bytes | None = None
    if stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        info.type, target = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115 - Path would change its text
    elif inode in links:
        info.type, target = tarfile.LNKTYPE, links[inode]
    elif stat.S_ISREG(status.st_mode):
        _add_file(tar, info, path, warn)
    elif stat.S_ISFIFO(status.st_mode):
        info.type = tarfile.FIFOTYPE
    else:
        info.type = tarfile.CHRTYPE if stat.S_ISCHR(status.st_mode) else tarfile.BLKTYPE
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    if target is not None:
        info.linkname = os.fsdecode(target)
    if info.type != tarfile.REGTYPE:
        tar.addfile(info)
    if status.st_nlink > 1 and target is None and not stat.S_ISDIR(status.st_mode):
        links[inode] = member
    return _as_entry(info, member, status, target)


def _describe(member: bytes, status: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(os.fsdecode(member))
    info.mode = stat.S_IMODE(status.st_mode)
    info.uid, info.gid = status.st_uid, status.st_gid
    info.mtime = status.st_mtime_ns // 10**9
    fraction = status.st_mtime_ns % 10**9
    if fraction and info.mtime >= 0:
        info.pax_headers = {"mtime": f"{info.mtime}.{fraction:09d}"}
    return info


def _add_file(tar: tarfile.TarFile, info: tarfile.TarInfo, path: bytes, warn: Callable[[str], None]) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        info.size = os.fstat(descriptor).st_size
        source = _ExactReader(file, info.size)
        tar.addfile(info, cast(IO[bytes], source))
        if source.missing_bytes:
            name = escape_path(os.fsencode(info.name))
            warn(f'"{name}": File shrank by {source.missing_bytes} bytes; padded with zeros')


class _ExactReader:
    """Gives exactly so many bytes as the header promises, whatever happens to the file meanwhile."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size
        self.missing_bytes = 0

    def read(self, size: int) -> bytes:
        size = min(size, self._left)
        parts: list[bytes] = []
        wanted = size
        while wanted and (part := self._read_part(wanted)):
            parts.append(part)
            wanted -= len(part)
        self.missing_bytes += wanted
        self._left -= size
        return b"".join(parts) + bytes(wanted)

    def _read_part(self, size: int) -> bytes:
        try:
            return b"" if self.missing_bytes else self._file.read(size)
        except OSError:
            return b""  # an unreadable sector: the rest counts as missing


def _as_entry(info: tarfile.TarInfo, member: bytes, status: os.stat_result, target: bytes | None) -> ContentsEntry:
    mode = stat.filemode(status.st_mode)
    if info.type == tarfile.LNKTYPE:
        mode = "h" + mode[1:]
    mtime = datetime.fromtimestamp(status.st_mtime_ns // 10**9, UTC)
    path = member if info.type != tarfile.DIRTYPE or member.endswith(b"/") else member + b"/"
    return ContentsEntry(
        mode=mode,
        owner=f"{info.uid}/{info.gid}",
        size_bytes=info.size,
        mtime=f"{mtime:%Y-%m-%dT%H:%M:%SZ}",
        path=path,
        target=target,
    )
