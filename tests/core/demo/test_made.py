"""Made backups: what is written is what is said of it."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.cli.demo.made import Dump, Tree, store_as_gzip
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.manifest import FileKind

CHANGED_AT = datetime(2026, 1, 1, tzinfo=UTC)
PATHS = [f"home/notes-{number}.txt" for number in range(5)]


@pytest.mark.parametrize("content", [b"", b"some notes\n"], ids=["holes", "text"])
@pytest.mark.parametrize("count", [0, 3, 5])
def test_archive_is_what_is_said_of_it(tmp_path: Path, content: bytes, count: int) -> None:
    files = Tree("home", PATHS, 70_001, content, CHANGED_AT).files(count)
    for file, made in files.items():
        made.write(tmp_path / file.name)
        data = (tmp_path / file.name).read_bytes()
        assert (file.size_bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert b"".join(made.read()) == data
        if file.kind is FileKind.TAR:
            with tarfile.open(tmp_path / file.name) as tar:
                assert [member.name.removeprefix("./") for member in tar.getmembers()] == PATHS[:count]
            assert (file.compression is Compression.NONE) == (not content)


def test_archive_of_holes_takes_hardly_any_place(tmp_path: Path) -> None:
    tar, made = next(iter(Tree("home", PATHS, 4_000_000, b"", CHANGED_AT).files(5).items()))
    made.write(tmp_path / tar.name)
    status = (tmp_path / tar.name).stat()
    assert status.st_size > 20_000_000
    assert status.st_blocks * 512 < 1_000_000


def test_dump_of_nothing_is_empty() -> None:
    [file] = Dump("shop.sql", b"row\n").files(0)
    assert file.original_bytes == 0


@given(st.binary(max_size=200_000))
def test_gzip_without_compressing_is_gzip(data: bytes) -> None:
    assert gzip.decompress(store_as_gzip(data)) == data
