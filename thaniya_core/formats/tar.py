"""How GNU tar is asked to extract or list an archive, and what its lists and messages mean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from thaniya_core.formats.compression import Compression
from thaniya_core.formats.contents import ContentsEntry, unescape_path
from thaniya_core.formats.manifest import BackupFile

_NOT_FOUND = re.compile(r'(?:\S*tar: )?"(?P<path>(?:[^"\\]|\\.)*)": Not found in archive', re.DOTALL)


def extract_options(file: BackupFile) -> list[str]:
    """The options that bring back all that an archive holds: modes, owners by number, attributes where it has any.

    An increment also removes what was not there any more when it was made.
    """
    return [
        "--extract",
        "--preserve-permissions",
        "--numeric-owner",
        *(["--xattrs", "--xattrs-include=*"] if file.xattrs else []),
        *(["--acls"] if file.acls else []),
        *(["--listed-incremental=/dev/null"] if file.incremental else []),
    ]


def list_options(compression: Compression) -> list[str]:
    """The options that list an archive as `parse_tar_line` reads it."""
    return [
        "--list",
        "--verbose",
        "--full-time",
        "--utc",
        "--numeric-owner",
        "--quoting-style=c",
        *compression_options(compression),
    ]


def compression_options(compression: Compression) -> list[str]:
    """The option that has tar decompress an archive."""
    return [] if compression is Compression.NONE else [f"--{compression}"]


def member_arguments(members: Sequence[str], *, incremental: bool = False) -> list[str]:
    """The arguments at the end of the command: which members are wanted, taken literally; none stands for all.

    A member that is a directory brings all below it. An archive made by other means may hold `a/b` where ours hold
    `./a/b`: both are asked for, and `absent_members` knows.
    """
    if incremental and members:
        return _incremental_member_arguments(members)
    names = [name for member in members for name in (f"./{member}", member)]
    return ["--quoting-style=c", "--no-wildcards", "--no-unquote", "--", *names]


def _incremental_member_arguments(members: Sequence[str]) -> list[str]:
    """Members of an increment, with the directories above them, which say that a member is not there any more."""
    above = {"": None}
    for member in members:
        parts = member.split("/")[:-1]
        above |= dict.fromkeys("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return [
        "--quoting-style=c",
        "--no-wildcards",
        "--no-unquote",
        "--no-recursion",
        *(f"--add-file=./{directory}" for directory in above),
        "--recursion",
        *(f"--add-file=./{member}" for member in members),
    ]


def missing_member(message: str) -> bytes | None:
    """The name that is not in the archive, when a message of tar says so."""
    match = _NOT_FOUND.fullmatch(message)
    return None if match is None else unescape_path(match["path"])


def absent_members(members: Iterable[str], missing: set[bytes]) -> list[str]:
    """Which of the members are not in the archive under either of the names that were asked for."""
    return [member for member in members if {os.fsencode(member), os.fsencode(f"./{member}")} <= missing]


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TAR_LINE = re.compile(
    rf"(?P<mode>\S{{10}})[.+]? (?P<owner>\S+/\S+) +(?P<size>[0-9,]+) "
    rf"(?P<date>[0-9-]+) (?P<time>[0-9:]+)(?:\.[0-9]+)? +(?P<path>{_QUOTED})"
    rf"(?: (?:->|link to) (?P<target>{_QUOTED}))?(?:--.*--)?",
    re.DOTALL,
)


def parse_tar_line(line: str) -> ContentsEntry | None:
    """Read a line of GNU tar's verbose list; None for a line that lists no member.

    tar must run with `-vv --full-time --utc --numeric-owner --quoting-style=c`, see the manual of GNU tar, section
    "Verbose". A device's two numbers become the size 0.
    """
    match = _TAR_LINE.fullmatch(line)
    if match is None:
        return None
    size = match["size"]
    return ContentsEntry(
        mode=match["mode"],
        owner=match["owner"],
        size_bytes=0 if "," in size else int(size),
        mtime=f"{match['date']}T{match['time']}Z",
        path=unescape_path(match["path"][1:-1]),
        target=None if match["target"] is None else unescape_path(match["target"][1:-1]),
    )


_ONLY_ROOT = re.compile(
    r": Cannot (mknod|change ownership.*|set acl.*|set POSIX ACLs.*|setxattr.*|lsetxattr.*|fsetxattr.*): "
    r"(Operation not permitted|Operation not supported)$"
)


def needs_root(message: str) -> bool:
    """Whether a message while unpacking tells of what only root may restore."""
    return _ONLY_ROOT.search(message) is not None
