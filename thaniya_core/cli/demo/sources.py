"""What the demo backs up: a copy, so that nobody's own files are touched."""

from __future__ import annotations

import os
import shutil
import stat
import sysconfig
from pathlib import Path

from msgspec import Struct

from thaniya_core.errors import NotFound
from thaniya_core.system.files import os_errors

_NOT_WORTH_COPYING = ("__pycache__", "site-packages", ".venv", ".git", ".mypy_cache", ".ruff_cache", ".hypothesis")


class Tree(Struct, frozen=True):
    """What is in a directory."""

    files: int
    size_bytes: int


def copy_sources(given: list[Path], target: Path) -> list[str]:
    """Copy directories below `target`, each under its own name; gives what could not be copied.

    Args:
        given: the directories; none stands for Python's standard library and, where there is one, this repository.
        target: made here.

    Raises:
        NoSpace: the disk is full.
    """
    complaints: list[str] = []
    ignore = None if given else shutil.ignore_patterns(*_NOT_WORTH_COPYING)
    for source in given or _default_sources():
        with os_errors(f"copy {source}"):
            try:
                shutil.copytree(
                    source,
                    target / (source.resolve().name or "root"),
                    symlinks=True,
                    ignore=ignore,
                    copy_function=_copy_plain,
                )
            except shutil.Error as exc:
                complaints += [str(reason) for _source, _target, reason in exc.args[0]]
    return complaints


def _copy_plain(source: str, target: str) -> None:
    """Copy a file; pipes, sockets and devices are passed over, reading them could hang."""
    if stat.S_ISREG(os.lstat(source).st_mode):
        shutil.copy2(source, target)


def check_sources(given: list[Path]) -> None:
    """Make sure that there is something to copy.

    Raises:
        NotFound: one is not a directory.
    """
    for source in given:
        if not source.is_dir():
            raise NotFound(f"{source} is not a directory", hint="give a directory: make demo SOURCE=/path")


def _default_sources() -> list[Path]:
    sources = [Path(sysconfig.get_path("stdlib"))]
    repository = Path(__file__).resolve().parents[3]
    if (repository / "pyproject.toml").is_file():
        sources.append(repository)
    return sources


def change_some_files(directory: Path) -> int:
    """Change, add and remove files as a day of work would; gives how many were touched."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    touched = 0
    for path in files[:: max(1, len(files) // 20)]:
        if os.access(path, os.W_OK):
            with path.open("ab") as stream:
                stream.write(b"\n# changed by the demo\n")
            touched += 1
    for path in files[1 :: max(2, len(files) // 5)]:
        if os.access(path.parent, os.W_OK):
            path.unlink(missing_ok=True)
            touched += 1
    (directory / "a new file, with an odd name – ünïcödé.txt").write_text("made by the demo\n")
    return touched + 1


def measure_tree(directory: Path) -> Tree:
    """How many files are below a directory, and how large they are together."""
    sizes = [path.lstat().st_size for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
    return Tree(len(sizes), sum(sizes))
