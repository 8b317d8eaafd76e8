"""What an examination finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works, and an administrator should know."""
    FAIL = "fail"
    SKIPPED = "skipped"
    """It could not be examined here."""


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    """What was looked at."""
    level: Level
    what: str
    """What was seen."""
    cure: str = ""
    """The command that mends it, or what to do."""


def ok(name: str, what: str) -> Finding:
    return Finding(name, Level.OK, what)


def warn(name: str, what: str, cure: str = "") -> Finding:
    return Finding(name, Level.WARN, what, cure)


def fail(name: str, what: str, cure: str) -> Finding:
    return Finding(name, Level.FAIL, what, cure)


def skipped(name: str, why: str) -> Finding:
    return Finding(name, Level.SKIPPED, why)


def or_ok(findings: Iterable[Finding], name: str, what: str) -> Iterator[Finding]:
    """The findings, or one that all is well when there is none."""
    empty = True
    for finding in findings:
        empty = False
        yield finding
    if empty:
        yield ok(name, what)
