"""Compression rules: which uploaded files the archive compresses, and how. Pure.

The configuration's table `[compression]` has a rule a line, `"*.sql" = "xz"`; the first whose pattern fits a file's
name counts. Without rules everything stays as it was uploaded: a client of Thaniya compresses while it packs, such a
backup is never copied, and files keep the names that people gave them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from thaniya_core.errors import ConfigInvalid
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.manifest import BackupFile, FileKind
from thaniya_core.formats.names import is_legal_file

_LEVELS = {Compression.GZIP: range(1, 10), Compression.BZIP2: range(1, 10), Compression.XZ: range(10)}
_MOST_THREADS = 64
_DEFAULT_THREADS = 4
_EXPECTED = 'expected "gzip", "bzip2", "xz" or "none", or a table like { format = "xz", level = 6, threads = 2 }'

_COMPRESSED_NAME = re.compile(
    r".*\.(7z|aac|age|apk|avi|avif|br|bz2|deb|docx|epub|flac|gif|gz|heic|jar|jpe?g|lz|lz4|lzma|lzo|m4[av]|mkv|mov|mp[34]|"
    r"mpe?g|od[pst]|og[gv]|opus|png|pptx|rar|rpm|sz|tbz2?|tgz|txz|webm|webp|whl|xlsx|xz|z|zip|zst)",
    re.IGNORECASE,
)
HEAD_BYTES = 32
"""How much of a file `is_compressed` looks at."""

_COMPRESSED_HEADS = (
    b"\x1f\x8b",  # gzip (RFC 1952)
    b"BZh",  # bzip2
    b"\xfd7zXZ\x00",  # xz
    b"\x28\xb5\x2f\xfd",  # zstd (RFC 8878)
    b"\x04\x22\x4d\x18",  # lz4
    b"LZIP",
    b"\x89LZO\x00",
    b"PK\x03\x04",  # zip, and what is a zip inside: jar, docx, odt
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"OggS",
    b"fLaC",
    b"ID3",
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"age-encryption.org/",
    b"Salted__",  # openssl enc
)


class Rule(Struct, frozen=True):
    """How files whose names fit a pattern are stored."""

    pattern: str
    """A glob as in a shell, of the whole name; capitals count."""
    compression: Compression
    level: int
    threads: int


def read_rules(configured: Mapping[str, str | Mapping[str, str | int]], where: str) -> tuple[Rule, ...]:
    """The rules of the table `[compression]`, in their order.

    Raises:
        ConfigInvalid: one is not understood.
    """
    return tuple(
        _read_rule(pattern, value, f'{where}: compression."{pattern}"') for pattern, value in configured.items()
    )


def _read_rule(pattern: str, value: str | Mapping[str, str | int], where: str) -> Rule:
    given = {"format": value} if isinstance(value, str) else dict(value)
    if unknown := sorted(given.keys() - {"format", "level", "threads"}):
        raise ConfigInvalid(f"{where}: unknown key {unknown[0]!r}; {_EXPECTED}")
    try:
        compression = Compression(str(given.get("format", "")))
    except ValueError:
        raise ConfigInvalid(f"{where}: {given.get('format')!r} is no format; {_EXPECTED}") from None
    levels = _LEVELS.get(compression, range(1))
    level = given.get("level", compression.default_level)
    if not isinstance(level, int) or level not in levels:
        raise ConfigInvalid(f"{where}: {compression} has the levels {levels[0]} to {levels[-1]}, not {level!r}")
    threads = given.get("threads", min(os.cpu_count() or 1, _DEFAULT_THREADS))
    if not isinstance(threads, int) or not 1 <= threads <= _MOST_THREADS:
        raise ConfigInvalid(f"{where}: expected 1 to {_MOST_THREADS} threads, got {threads!r}")
    return Rule(pattern, compression, level, threads)


def choose_rule(rules: Sequence[Rule], file: BackupFile, names: frozenset[str], head: bytes) -> Rule | None:
    """The rule that a file is compressed by; None when it stays as it was uploaded.

    Only tar archives and plain files are compressed: lists and logs are looked for under their names. What is
    compressed or encrypted already never is, whatever the rules say.

    Args:
        rules: in their order.
        file: what is known of it.
        names: of all files of the upload; where the new name is among them, the file stays as it is.
        head: the first HEAD_BYTES of it.
    """
    rule = next((rule for rule in rules if fnmatchcase(file.name, rule.pattern)), None)
    if rule is None or rule.compression is Compression.NONE:
        return None
    if file.kind not in (FileKind.TAR, FileKind.FILE) or file.compression is not Compression.NONE or file.is_encrypted:
        return None
    new_name = file.name + rule.compression.suffix
    if new_name in names or not is_legal_file(new_name) or is_compressed(file.name, head):
        return None
    return rule


def is_compressed(name: str, head: bytes) -> bool:
    """Whether a file's name or its first bytes say that compressing it again is in vain; an empty file counts too."""
    is_media_container = head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"AVI "))
    is_named_so = _COMPRESSED_NAME.fullmatch(name) is not None
    return not head or is_named_so or head.startswith(_COMPRESSED_HEADS) or is_media_container
