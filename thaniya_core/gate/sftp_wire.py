"""The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02; extensions: OpenSSH's PROTOCOL, section 4)."""

from __future__ import annotations

import os
import stat
import struct
import time
from enum import IntEnum

from msgspec import Struct

VERSION = 3
PACKET_LIMIT = 256 * 1024
"""Bytes of a packet without its length, as in OpenSSH."""
DATA_LIMIT = PACKET_LIMIT - 1024
"""Bytes of data in one read or write."""


class Kind(IntEnum):
    """The packet types of section 3."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Code(IntEnum):
    """The status codes of section 7."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


OPEN_READ = 0x01
OPEN_WRITE = 0x02
OPEN_APPEND = 0x04
OPEN_CREATE = 0x08
OPEN_TRUNCATE = 0x10
OPEN_EXCLUSIVE = 0x20

_ATTR_SIZE = 0x01
_ATTR_OWNER = 0x02
_ATTR_MODE = 0x04
_ATTR_TIMES = 0x08
_ATTR_EXTENDED = 0x80000000


class Malformed(Exception):
    """A packet that ends before its fields do."""


class Fields:
    """Reads the fields of a packet one after the other. All raise Malformed."""

    def __init__(self, packet: memoryview) -> None:
        self._rest = packet

    def uint32(self) -> int:
        return int.from_bytes(self._take(4))

    def uint64(self) -> int:
        return int.from_bytes(self._take(8))

    def string(self) -> memoryview:
        return self._take(self.uint32())

    def path(self) -> bytes:
        """A path's bytes.

        Raises:
            Malformed: it contains a NUL, which no path does.
        """
        path = bytes(self.string())
        if b"\0" in path:
            raise Malformed("a path contains a NUL")
        return path

    def size_of_attributes(self) -> int | None:
        """Read file attributes (section 5); the size is the only one that is wanted."""
        flags = self.uint32()
        size = self.uint64() if flags & _ATTR_SIZE else None
        self._take(8 * bool(flags & _ATTR_OWNER) + 4 * bool(flags & _ATTR_MODE) + 8 * bool(flags & _ATTR_TIMES))
        if flags & _ATTR_EXTENDED:
            for _ in range(self.uint32()):
                self.string()
                self.string()
        return size

    def _take(self, count: int) -> memoryview:
        if count > len(self._rest):
            raise Malformed("the packet is too short")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken


class Entry(Struct, frozen=True):
    """A name with its attributes."""

    name: bytes
    found: os.stat_result


def packet(kind: Kind, *parts: bytes) -> bytes:
    """A packet with its length."""
    return struct.pack(">IB", 1 + sum(map(len, parts)), kind) + b"".join(parts)


def uint32(value: int) -> bytes:
    return value.to_bytes(4)


def uint64(value: int) -> bytes:
    return value.to_bytes(8)


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data


def attributes(found: os.stat_result) -> bytes:
    """File attributes, section 5."""
    return struct.pack(
        ">IQIIIII",
        _ATTR_SIZE | _ATTR_OWNER | _ATTR_MODE | _ATTR_TIMES,
        found.st_size,
        found.st_uid,
        found.st_gid,
        found.st_mode,
        int(found.st_atime) & 0xFFFFFFFF,
        int(found.st_mtime) & 0xFFFFFFFF,
    )


def status(request: int, code: Code, text: str) -> bytes:
    """The answer that carries no data, section 7."""
    return packet(
        Kind.STATUS, uint32(request), uint32(code), string(text.encode("utf-8", "backslashreplace")), string(b"")
    )


def names(request: int, entries: list[Entry]) -> bytes:
    """A list of names with the lines that `ls -l` shows, section 7."""
    parts = [
        part for entry in entries for part in (string(entry.name), string(long_name(entry)), attributes(entry.found))
    ]
    return packet(Kind.NAME, uint32(request), uint32(len(entries)), *parts)


def real_path(request: int, path: bytes) -> bytes:
    """The answer to REALPATH: a name whose attributes mean nothing, section 6.11."""
    return packet(Kind.NAME, uint32(request), uint32(1), string(path), string(path), uint32(0))


def long_name(entry: Entry) -> bytes:
    """A line like that of `ls -l`, section 7."""
    found = entry.found
    modified = time.strftime("%b %d %Y", time.gmtime(found.st_mtime))
    line = f"{stat.filemode(found.st_mode)} {found.st_nlink:4} thaniya  thaniya  {found.st_size:12} {modified} "
    return line.encode() + entry.name


def space(request: int, found: os.statvfs_result) -> bytes:
    """The answer to statvfs@openssh.com, OpenSSH's PROTOCOL section 4.4."""
    values = (
        found.f_bsize,
        found.f_frsize,
        found.f_blocks,
        found.f_bfree,
        found.f_bavail,
        found.f_files,
        found.f_ffree,
        found.f_favail,
        0,
        0x2,  # ST_NOSUID
        found.f_namemax,
    )
    return packet(Kind.EXTENDED_REPLY, uint32(request), *map(uint64, values))
