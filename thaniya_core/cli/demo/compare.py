"""Whether two directories are the same: names, kinds, modes, times and every byte."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from thaniya_core.system.files import hash_file

SHOWN = 10


def find_differences(one: Path, other: Path) -> list[str]:
    """Where the trees differ, their roots included, at most the first ten; empty when they are the same."""
    found: list[str] = []
    for difference in _compare_entries(one, other):
        found.append(difference)
        if len(found) == SHOWN:
            break
    return found


def _differences(one: Path, other: Path) -> Iterator[str]:
    names = sorted({entry.name for entry in os.scandir(one)} | {entry.name for entry in os.scandir(other)})
    for name in names:
        left, right = one / name, other / name
        if not os.path.lexists(left) or not os.path.lexists(right):
            yield f"only in {one if os.path.lexists(left) else other}: {name!r}"
            continue
        yield from _compare_entries(left, right)


def _compare_entries(left: Path, right: Path) -> Iterator[str]:
    here, there = left.lstat(), right.lstat()
    if here.st_mode != there.st_mode:
        yield f"{left}: mode {stat.filemode(here.st_mode)} became {stat.filemode(there.st_mode)}"
    elif stat.S_ISLNK(here.st_mode):
        if left.readlink() != right.readlink():
            yield f"{left}: link to {left.readlink()} became {right.readlink()}"
    elif stat.S_ISDIR(here.st_mode):
        if int(here.st_mtime) != int(there.st_mtime):
            yield f"{left}: another time of the directory"
        yield from _differences(left, right)
    elif stat.S_ISREG(here.st_mode):
        if here.st_size != there.st_size or hash_file(left) != hash_file(right):
            yield f"{left}: other content"
        elif int(here.st_mtime) != int(there.st_mtime):
            yield f"{left}: another time"
