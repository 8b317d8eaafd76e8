"""Backups that are made without a client: real files that a restore can be tried on, small and quickly written.

The same arguments give the same bytes on every machine: compressed by bzip2, whose only implementation is the library
of that name, or in the form of gzip without compressing; large ones are holes.
"""

from __future__ import annotations

import bz2
import hashlib
import os
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from thaniya_core.formats.compression import Compression
from thaniya_core.formats.contents import ContentsEntry, encode_entry
from thaniya_core.formats.documents import encode_documents
from thaniya_core.formats.manifest import BackupDocument, BackupFile, FileKind

_BLOCK = 512
_END = bytes(2 * _BLOCK)
"""What a tar archive ends with."""
_MODE = 0o440
_STORED_BLOCK = 0xFFFF
_ZEROS = bytes(1024**2)
_PIECE_BYTES = 64 * 1024


class Part(Struct, frozen=True):
    """Bytes at a place in a file; what no part covers is a hole."""

    offset: int
    data: bytes


class Content(Struct, frozen=True):
    """What a file holds."""

    parts: tuple[Part, ...]
    size_bytes: int

    def write(self, file: Path) -> None:
        """Write a new file."""
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        try:
            for part in self.parts:
                os.pwrite(descriptor, part.data, part.offset)
            os.ftruncate(descriptor, self.size_bytes)
        finally:
            os.close(descriptor)

    def read(self) -> Iterator[bytes]:
        """All bytes from the beginning, in pieces."""
        place = 0
        for part in [*self.parts, Part(self.size_bytes, b"")]:
            for begin in range(place, part.offset, _PIECE_BYTES):
                yield bytes(min(_PIECE_BYTES, part.offset - begin))
            yield part.data
            place = part.offset + len(part.data)


Files = Mapping[BackupFile, Content]
"""The files of a backup, each with its content."""


def whole(data: bytes) -> Content:
    """A content without holes."""
    return Content((Part(0, data),), len(data))


def made_file(file: BackupFile, data: bytes) -> tuple[BackupFile, Content]:
    """A file with the size and sum of its content."""
    sized = BackupFile(
        file.name,
        hashlib.sha256(data).hexdigest(),
        len(data),
        file.kind,
        file.compression,
        file.original_bytes,
        file.entries,
        file.describes,
    )
    return sized, whole(data)


def store_as_gzip(data: bytes) -> bytes:
    """A gzip file that compresses nothing (RFC 1952 and the stored blocks of RFC 1951)."""
    blocks = [data[begin : begin + _STORED_BLOCK] for begin in range(0, len(data), _STORED_BLOCK)] or [b""]
    stored = b"".join(
        struct.pack("<BHH", index == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for index, block in enumerate(blocks)
    )
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + stored + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def write_backup(directory: Path, document: BackupDocument, files: Files, links: Mapping[str, Path]) -> None:
    """Write a backup with its documents into a new directory.

    Args:
        directory: made; its parent is there.
        document: what backup.json says.
        files: its files.
        links: by name, files elsewhere that some of them become hard links to.
    """
    directory.mkdir()
    for name, data in encode_documents(document).items():
        whole(data).write(directory / name)
    for file, content in files.items():
        if file.name in links:
            (directory / file.name).hardlink_to(links[file.name])
        else:
            content.write(directory / file.name)


class Tree:
    """Files that grow in number: a backup holds the first so many of them."""

    def __init__(self, name: str, paths: Sequence[str], size_bytes: int, content: bytes, changed_at: datetime) -> None:
        """
        Args:
            name: of the archive, without endings.
            paths: of all files that there ever are.
            size_bytes: of each file.
            content: of each file; empty: zeros, which take no place on the disk, in an archive that is not compressed.
            changed_at: when the files were changed.
        """
        self._name = name
        self._paths = paths
        self._content = (content * (size_bytes // max(len(content), 1) + 1))[:size_bytes]
        self._size_bytes = size_bytes
        self._padding = -size_bytes % _BLOCK
        self._changed_at = changed_at

    def files(self, count: int) -> dict[BackupFile, Content]:
        """The archive of the first so many files, and the list of what is in it."""
        original_bytes = count * (_BLOCK + self._size_bytes + self._padding) + len(_END)
        if self._content:
            data = b"".join(header + self._packed for header in self._packed_headers[:count]) + bz2.compress(_END)
            compression, content, sha256 = Compression.BZIP2, whole(data), hashlib.sha256(data).hexdigest()
        else:
            parts = tuple(Part(begin, header) for begin, header in self._headers[:count])
            compression, content, sha256 = Compression.NONE, Content(parts, original_bytes), self._sums[count]
        name = f"{self._name}.tar{compression.suffix}"
        tar = BackupFile(name, sha256, content.size_bytes, FileKind.TAR, compression, original_bytes, count)
        listed = b"".join(self._lines[:count])
        contents = BackupFile(
            f"{self._name}.files.gz",
            "",
            kind=FileKind.CONTENTS,
            compression=Compression.GZIP,
            original_bytes=len(listed),
            describes=name,
        )
        return {tar: content, **dict([made_file(contents, store_as_gzip(listed))])}

    @cached_property
    def _headers(self) -> list[tuple[int, bytes]]:
        """Where the header of each file stands, and what it says."""
        step = _BLOCK + self._size_bytes + self._padding
        return [(number * step, self._header(path)) for number, path in enumerate(self._paths)]

    def _header(self, path: str) -> bytes:
        member = tarfile.TarInfo(f"./{path}")
        member.size, member.mtime = self._size_bytes, int(self._changed_at.timestamp())
        return member.tobuf(tarfile.USTAR_FORMAT)

    @cached_property
    def _packed_headers(self) -> list[bytes]:
        return [bz2.compress(header) for _, header in self._headers]

    @cached_property
    def _packed(self) -> bytes:
        return bz2.compress(self._content + bytes(self._padding))

    @cached_property
    def _sums(self) -> list[str]:
        """The sum of the archive of so many files, without compression, for each number of them."""
        digest = hashlib.sha256()
        sums = []
        for _, header in [*self._headers, (0, b"")]:
            ended = digest.copy()
            ended.update(_END)
            sums.append(ended.hexdigest())
            digest.update(header)
            for begin in range(0, self._size_bytes + self._padding, len(_ZEROS)):
                digest.update(_ZEROS[: self._size_bytes + self._padding - begin])
        return sums

    @cached_property
    def _lines(self) -> list[bytes]:
        changed_at = f"{self._changed_at:%Y-%m-%dT%H:%M:%SZ}"
        return [
            encode_entry(ContentsEntry("-rw-r--r--", "0/0", self._size_bytes, changed_at, f"./{path}".encode()))
            for path in self._paths
        ]


class Dump:
    """What a database writes out: a text that grows by blocks of rows."""

    def __init__(self, name: str, block: bytes) -> None:
        """
        Args:
            name: of the file, without the ending of its compression.
            block: what is repeated.
        """
        self._name = name
        self._block = block

    def files(self, count: int) -> dict[BackupFile, Content]:
        """The dump of so many blocks; none is a dump that holds nothing."""
        described = BackupFile(
            f"{self._name}.bz2",
            "",
            compression=Compression.BZIP2,
            original_bytes=count * len(self._block),
        )
        return dict([made_file(described, self._packed * count or bz2.compress(b""))])

    @cached_property
    def _packed(self) -> bytes:
        return bz2.compress(self._block)
