"""The contents list (`home.files.gz`): what is inside a tar archive, one line a path.

A line has six fields with tabs between them:

    mode  owner  size  mtime  path  target
    -rw-r--r--  0/0  1234  2026-11-23T21:15:00Z  ./etc/passwd

`mode` as `ls -l` shows it (a hard link has the type `h`), `owner` is uid/gid in numbers, `size` is in bytes, `mtime`
is in UTC, `target` is there for links only. In path and target a backslash is written `\\\\`, a newline `\\n`, a tab
`\\t`, other control characters and bytes that are not UTF-8 as three octal digits: `\\377`. So `zcat`, `cut -f5` and
`grep` do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from thaniya_core.errors import IntegrityFailed


class ContentsEntry(Struct, frozen=True):
    """One member of an archive."""

    mode: str
    owner: str
    size_bytes: int
    mtime: str
    """RFC 3339, in UTC."""
    path: bytes
    """As stored in the archive: any bytes but NUL."""
    target: bytes | None = None
    """Where a symbolic or hard link points."""

    @property
    def is_directory(self) -> bool:
        return self.mode.startswith("d")


def encode_entry(entry: ContentsEntry) -> bytes:
    """The line for an entry, with its newline."""
    fields = [entry.mode, entry.owner, str(entry.size_bytes), entry.mtime, escape_path(entry.path)]
    if entry.target is not None:
        fields.append(escape_path(entry.target))
    return ("\t".join(fields) + "\n").encode()


def decode_entries(lines: Iterable[bytes]) -> Iterator[ContentsEntry]:
    """The entries of a decompressed contents list.

    Raises:
        IntegrityFailed: a line does not have the form of this module.
    """
    for number, line in enumerate(lines, 1):
        fields = line.rstrip(b"\n").decode("utf-8", "replace").split("\t")
        try:
            mode, owner, size, mtime, path, *target = fields
            if not _HEAD.fullmatch("\t".join((mode, owner, size, mtime))):
                raise ValueError("mode, owner, size or time")
            yield ContentsEntry(
                mode,
                owner,
                int(size),
                mtime,
                unescape_path(path),
                unescape_path(target[0]) if target else None,
            )
        except ValueError as exc:
            raise IntegrityFailed(f"line {number} of the contents list is malformed: {line[:120]!r}") from exc


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a decompressed contents list, which may come from anybody.

    Raises:
        IntegrityFailed: a line is longer than any is.
    """
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > LINE_LIMIT:
            raise IntegrityFailed(f"a line of the contents list is longer than {LINE_LIMIT} bytes")
    if rest:
        yield rest


LINE_LIMIT = 64 * 1024
"""Bytes of a line: two paths of 4096 bytes (PATH_MAX), each byte escaped, and the other fields."""

# Nothing but the paths is escaped, so nothing else may hold what would steer a terminal.
_HEAD = re.compile(r"[A-Za-z?.+-]{1,12}\t[0-9]{1,20}/[0-9]{1,20}\t[0-9]{1,20}\t[-+0-9TZ:.]{1,40}")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_UNESCAPES = {
    "\\": b"\\",
    "n": b"\n",
    "t": b"\t",
    "r": b"\r",
    "a": b"\a",
    "b": b"\b",
    "f": b"\f",
    "v": b"\v",
    '"': b'"',
}
_NEEDS_ESCAPE = re.compile(r"[\x00-\x1f\x7f\\\udc80-\udcff]")
_ESCAPED = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)


def escape_path(path: bytes) -> str:
    """A path as it stands in a line."""
    return _NEEDS_ESCAPE.sub(_escape_one, path.decode("utf-8", "surrogateescape"))


def _escape_one(match: re.Match[str]) -> str:
    char = match[0]
    if char in _ESCAPES:
        return _ESCAPES[char]
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def unescape_path(text: str) -> bytes:
    """The path a line's field stands for; also reads what GNU tar writes between quotes with --quoting-style=c.

    Raises:
        ValueError: an unknown escape.
    """
    if "\\" not in text:
        return text.encode("utf-8", "surrogateescape")
    parts: list[bytes] = []
    position = 0
    for match in _ESCAPED.finditer(text):
        parts.append(text[position : match.start()].encode("utf-8", "surrogateescape"))
        parts.append(_unescape_one(match[1]))
        position = match.end()
    parts.append(text[position:].encode("utf-8", "surrogateescape"))
    return b"".join(parts)


def _unescape_one(escape: str) -> bytes:
    if len(escape) == 3:
        return bytes([int(escape, 8) & 0xFF])
    if escape not in _UNESCAPES:
        raise ValueError(f"unknown escape \\{escape}")
    return _UNESCAPES[escape]
