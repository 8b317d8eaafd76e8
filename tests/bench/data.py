"""Data to measure with: many small files and some large ones, as a machine has them."""

from __future__ import annotations

import argparse
import itertools
import shutil
import sysconfig
from pathlib import Path


def add_data_options(parser: argparse.ArgumentParser, *, files: int, size_bytes: int) -> None:
    """The options that say what is backed up, and where the work is done."""
    parser.add_argument("--data", type=Path, help="what to back up; made by default")
    parser.add_argument("--work", type=Path, help="where to work; a new temporary directory by default")
    parser.add_argument("--files", type=int, default=files, help="how many files are made at least")
    parser.add_argument("--size", type=int, default=size_bytes, help="how many bytes are made at least")


def make_data(target: Path, least_files: int, least_bytes: int) -> Path:
    """Copies of /usr/share, /usr/lib/python3 and the running Python's installation, until there is enough of it."""
    sources = [Path("/usr/share"), Path("/usr/lib/python3"), Path(sysconfig.get_path("stdlib"))]
    files = size = 0
    for number, source in enumerate(itertools.cycle(filter(Path.is_dir, sources))):
        if files >= least_files and size >= least_bytes:
            break
        copy = target / f"{number}-{source.name}"
        shutil.copytree(source, copy, symlinks=True, ignore_dangling_symlinks=True)
        for path in copy.rglob("*"):
            if path.is_file() and not path.is_symlink():
                files += 1
                size += path.stat().st_size
    print(f"data: {files:,} files, {size / 1e6:,.0f} MB", flush=True)
    return target


def copy_data(source: Path, target: Path) -> Path:
    """A copy of data that may be changed."""
    shutil.copytree(source, target, symlinks=True, ignore_dangling_symlinks=True)
    return target


def change_some(data: Path, every: int = 100) -> int:
    """Append a line to every hundredth file; gives the number of files changed."""
    files = sorted(path for path in data.rglob("*") if path.is_file() and not path.is_symlink())
    for path in files[::every]:
        with path.open("ab") as file:
            file.write(b"changed\n")
    return len(files[::every])
