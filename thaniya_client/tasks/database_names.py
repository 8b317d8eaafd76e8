"""Names of databases, for programs and as parts of file names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from thaniya_core.errors import WrongUsage

_NAME_CHARACTERS = 128


def check_databases(names: Iterable[str]) -> tuple[str, ...]:
    """Give the names back when they can be given to a program and shown to a person.

    Raises:
        WrongUsage: one is empty, too long, begins with `-` or has characters that cannot be printed.
    """
    checked = tuple(names)
    for name in checked:
        if not name or not name.isprintable() or name.startswith("-") or len(name) > _NAME_CHARACTERS:
            raise WrongUsage(f"{name[:_NAME_CHARACTERS]!r} cannot be the name of a database to back up")
    return checked


def file_stem(database: str) -> str:
    """A database's name as a part of a file's: other signs than letters, digits and `_-` become `_`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", database)
