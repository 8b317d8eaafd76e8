"""How GNU tar is asked to extract an archive, and how it says that a member is not there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from thaniya_core.formats.contents import unescape_path
from thaniya_core.formats.manifest import BackupFile

_NOT_FOUND = re.compile(r'(?:\S*tar: )?"(?P<path>(?:[^"\\]|\\.)*)": Not found in archive', re.DOTALL)


def extract_options(file: BackupFile) -> list[str]:
    """The options that bring back all that an archive holds: modes, owners by number, attributes where it has any."""
    return [
        "--extract",
        "--preserve-permissions",
        "--numeric-owner",
        *(["--xattrs", "--xattrs-include=*"] if file.xattrs else []),
        *(["--acls"] if file.acls else []),
    ]


def member_arguments(members: Iterable[str]) -> list[str]:
    """The arguments at the end of the command: which members are wanted, taken literally; none stands for all.

    A member that is a directory brings all below it. An archive made by other means may hold `a/b` where ours hold
    `./a/b`: both are asked for, and `absent_members` knows.
    """
    names = [name for member in members for name in (f"./{member}", member)]
    return ["--quoting-style=c", "--no-wildcards", "--no-unquote", "--", *names]


def missing_member(message: str) -> bytes | None:
    """The name that is not in the archive, when a message of tar says so."""
    match = _NOT_FOUND.fullmatch(message)
    return None if match is None else unescape_path(match["path"])


def absent_members(members: Iterable[str], missing: set[bytes]) -> list[str]:
    """Which of the members are not in the archive under either of the names that were asked for."""
    return [member for member in members if {os.fsencode(member), os.fsencode(f"./{member}")} <= missing]
