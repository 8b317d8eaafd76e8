"""The contents list."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.errors import IntegrityFailed
from thaniya_core.formats.contents import (
    ContentsEntry,
    decode_entries,
    encode_entry,
    escape_path,
    split_lines,
    unescape_path,
)

paths = st.binary(min_size=1).map(lambda path: path.replace(b"\0", b"0"))


@given(paths)
def test_any_path_is_escaped_and_read_back(path):
    escaped = escape_path(path)

    assert unescape_path(escaped) == path
    assert not set(escaped) & set("\t\n\r\x00\x7f")
    escaped.encode("utf-8")


@given(paths, st.one_of(st.none(), paths), st.integers(0, 2**62))
def test_entry_is_read_as_it_is_written(path, target, size):
    entry = ContentsEntry("-rw-r--r--", "0/0", size, "2026-11-23T21:15:00Z", path, target)

    line = encode_entry(entry)

    assert line.count(b"\n") == 1
    assert list(decode_entries(line.splitlines(keepends=True)[:1] if b"\r" not in line else [line])) == [entry]


@given(st.binary())
def test_any_line_is_read_or_told_to_be_malformed(line):
    try:
        list(decode_entries([line]))
    except IntegrityFailed as error:
        assert "line 1" in error.message


@pytest.mark.parametrize(
    "head",
    [
        b"\x1b]0;x\x07\t0/0\t5\t2026-11-23T21:15:00Z",
        b"-rw-r--r--\tme/us\t5\t2026-11-23T21:15:00Z",
        b"-rw-r--r--\t0/0\t-5\t2026-11-23T21:15:00Z",
        b"-rw-r--r--\t0/0\t5\t2026\x1b[31m",
    ],
)
def test_fields_that_could_steer_a_terminal_are_refused(head):
    with pytest.raises(IntegrityFailed, match="line 1 of the contents list is malformed"):
        list(decode_entries([head + b"\t./a\n"]))


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory():
    endless = itertools.repeat(b"x" * 65536)
    with pytest.raises(IntegrityFailed, match="longer than"):
        list(split_lines(endless))
