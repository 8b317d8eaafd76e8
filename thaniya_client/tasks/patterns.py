"""Exclude patterns: their meaning, as GNU tar's options and as a matcher of our own.

A pattern without a slash is compared with each name, at any depth: `*.pyc`, `.cache`. A pattern with a slash is
compared with the path from the directory that is backed up: `build/*.o`, `/tmp`. `*`, `?` and `[…]` do not match a
slash; a backslash takes the next sign literally. What is excluded is excluded with all below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from thaniya_core.errors import WrongUsage


def check_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Give the patterns back when they can be matched.

    Raises:
        WrongUsage: a pattern that would exclude all or nothing, or leads out of the directory.
    """
    checked = tuple(patterns)
    for pattern in checked:
        parts = pattern.strip("/").split("/")
        if not pattern.strip("/") or "\0" in pattern or any(part in ("", ".", "..") for part in parts):
            raise WrongUsage(
                f"{pattern!r} is not an exclude pattern", hint="write a name like '*.tmp' or a path like 'build/*.o'"
            )
    return checked


def tar_exclude_options(patterns: Sequence[str]) -> list[str]:
    """The patterns as options of GNU tar, which must come before the members."""
    options = ["--wildcards", "--no-wildcards-match-slash"] if patterns else []
    for pattern in patterns:
        if _is_anchored(pattern):
            options += ["--anchored", f"--exclude=./{pattern.strip('/')}"]
        else:
            options += ["--no-anchored", f"--exclude={pattern.strip('/')}"]
    return options


class PathMatcher:
    """Says of a path whether it fits one of some patterns. What lies below a directory that fits is not looked at."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._path = _compile(pattern for pattern in patterns if _is_anchored(pattern))
        self._name = _compile(pattern for pattern in patterns if not _is_anchored(pattern))

    def matches(self, path: bytes) -> bool:
        """Whether a path, without a leading `./`, fits."""
        if self._path is None and self._name is None:
            return False
        text = path.decode("utf-8", "surrogateescape")
        if self._path is not None and self._path.fullmatch(text):
            return True
        return self._name is not None and self._name.fullmatch(text.rpartition("/")[2]) is not None


def _is_anchored(pattern: str) -> bool:
    return "/" in pattern.rstrip("/")


def _compile(patterns: Iterable[str]) -> re.Pattern[str] | None:
    translated = "|".join(_translate(pattern.strip("/")) for pattern in patterns)
    return re.compile(translated, re.DOTALL) if translated else None


_SPECIAL = re.compile(
    r"\\(?P<literal>.)|\[(?P<negated>[!^]?)(?P<members>\]?[^\]]*)\]|(?P<many>\*+)|(?P<one>\?)", re.DOTALL
)


def _translate(pattern: str) -> str:
    parts: list[str] = []
    position = 0
    for match in _SPECIAL.finditer(pattern):
        parts.append(re.escape(pattern[position : match.start()]))
        parts.append(_translate_special(match))
        position = match.end()
    parts.append(re.escape(pattern[position:]))
    return f"(?:{''.join(parts)})"


def _translate_special(match: re.Match[str]) -> str:
    if match["literal"] is not None:
        return re.escape(match["literal"])
    if match["many"] is not None:
        return "[^/]*"
    if match["one"] is not None:
        return "[^/]"
    members = re.sub(r"([\\\[\]^&~|])", r"\\\1", match["members"])
    return f"[^/{members}]" if match["negated"] else f"(?!/)[{members}]"
