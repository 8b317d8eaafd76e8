"""The verbose list of GNU tar, as contents lists are made from it."""

from __future__ import annotations

import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.formats.contents import ContentsEntry
from thaniya_core.formats.tar import parse_tar_line
from thaniya_core.system.run import run

ODD_NAMES = [
    b"plain",
    b" leading and trailing ",
    b"two\nlines",
    b"tab\there",
    b"return\rhere",
    b"back\\slash",
    b"back\\nslash",
    b'quo"te',
    b"apo'strophe",
    b"a -> b",
    b"a link to b",
    b"caf\xc3\xa9",
    b"latin\xe9",
    b"\xff\xfe",
    b"bell\x07escape\x1bdel\x7f",
    b"tri??=graph",
    b"*?[]",
    b"-dash",
    b"u\xe2\x80\xa8line separator",
    b"next\xc2\x85line",
]


@given(st.text())
def test_any_line_of_tar_is_read_or_passed_over(line):
    parse_tar_line(line)


@pytest.fixture
def odd_tree(tmp_path: Path) -> Path:
    """A directory with files, links and names of every kind."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number, name in enumerate(ODD_NAMES):
        (tree / os.fsdecode(name)).write_bytes(b"x" * number)
    (tree / "directory\n").mkdir()
    (tree / "symbolic").symlink_to(os.fsdecode(b"to\nsome -> where\xff"))
    (tree / "zz hard").hardlink_to(tree / "two\nlines")
    os.mkfifo(tree / "pipe")
    (tree / "plain").chmod(0o4755)
    os.utime(tree / "plain", (0, 0))
    return tree


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("format_name", ["posix", "gnu"])
def test_list_of_gnu_tar_tells_what_is_in_the_archive(odd_tree, tmp_path, locale, format_name):
    archive, listing = tmp_path / "tree.tar", tmp_path / "list"
    options = ["-vv", f"--index-file={listing}", "--full-time", "--utc", "--numeric-owner", "--quoting-style=c"]
    environment = {"LC_ALL": locale, "TAR_OPTIONS": ""}

    run(
        ["tar", "--create", f"--format={format_name}", f"--file={archive}", *options, f"--directory={odd_tree}", "."],
        timeout_s=60,
        env=environment,
    )

    lines = listing.read_bytes().decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    entries = [entry for line in lines if (entry := parse_tar_line(line)) is not None]
    assert len(entries) == len(lines)
    assert sorted(map(_facts, entries), key=repr) == sorted(map(_facts_of_member, _members(archive)), key=repr)


def _members(archive: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(archive, encoding="utf-8", errors="surrogateescape") as tar:
        return tar.getmembers()


def _facts(entry: ContentsEntry) -> tuple[object, ...]:
    return (entry.path.rstrip(b"/"), entry.mode[1:], entry.owner, entry.size_bytes, entry.mtime, entry.target)


def _facts_of_member(member: tarfile.TarInfo) -> tuple[object, ...]:
    moment = datetime.fromtimestamp(int(member.mtime), UTC)
    return (
        os.fsencode(member.name),
        tarfile.stat.filemode(member.mode)[1:],
        f"{member.uid}/{member.gid}",
        member.size if member.isreg() else 0,
        f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        os.fsencode(member.linkname) if member.linkname else None,
    )


@pytest.mark.parametrize(
    "line",
    [
        "tar: ./pipe: socket ignored",
        "",
        "drwxr-xr-x",
        '-rw-r--r-- 0/0 1 2026-11-23 21:15:00 "open',
        "-rw-r--r-- 0/0 1 2026-11-23 21:15:00 unquoted",
    ],
)
def test_line_that_lists_no_member_is_passed_over(line):
    assert parse_tar_line(line) is None


def test_device_has_no_size():
    entry = parse_tar_line('crw-r--r-- 0/0 1,3 2026-11-23 21:15:00 "./null"')

    assert entry is not None
    assert (entry.size_bytes, entry.path) == (0, b"./null")
