"""Directories for restoring on trial: gone afterwards, and after a crash at the next occasion."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thaniya_core.errors import Busy
from thaniya_core.system.files import make_directories, os_errors, remove_tree
from thaniya_core.system.locks import locked
from thaniya_core.system.marked_directory import make_writable

PREFIX = "thaniya-trial-"
"""The place may be anybody's directory: only what bears this name is ever removed."""

_LOCK_FILE = ".thaniya-trial.lock"


@contextmanager
def scratch_directory(place: Path, name: str) -> Iterator[Path]:
    """A new directory in `place` that nobody else may look into, for the length of the block.

    Raises:
        Busy: another process uses it just now.
    """
    with os_errors(f"make a scratch directory in {place}"):
        make_directories(place)
        directory = place / f"{PREFIX}{name}"
        with locked(place / _LOCK_FILE):
            _clean(place)
            try:
                directory.mkdir(mode=0o700)
            except FileExistsError:
                raise Busy(f"{directory} is used by another process", hint="wait for its end") from None
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield directory
    finally:
        try:
            _remove(directory)
        finally:
            os.close(lock)


def clean_scratch(place: Path) -> None:
    """Remove what killed processes have left in a place."""
    if place.is_dir():
        with locked(place / _LOCK_FILE):
            _clean(place)


def _clean(place: Path) -> None:
    for directory in place.glob(f"{PREFIX}*"):
        if directory.is_symlink() or not directory.is_dir():
            continue
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(directory)
        except BlockingIOError:
            continue  # it is in use
        finally:
            os.close(lock)


def _remove(directory: Path) -> None:
    make_writable(directory)
    remove_tree(directory)
