"""Which uploaded files the archive compresses."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re

import pytest

from thaniya_core.archive.rules import HEAD_BYTES, choose_rule, is_compressed, read_rules
from thaniya_core.errors import ConfigInvalid
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.encryption import Encryption
from thaniya_core.formats.manifest import BackupFile, FileKind

RULES = read_rules({"*.gz": "none", "small-*": "none", "*.sql": "xz", "*": {"format": "gzip", "level": 6}}, "x.toml")
SUM = "0" * 64


def _chosen(name: str, kind: FileKind = FileKind.FILE, head: bytes = b"plain text", others: str = "", **more: object):
    file = BackupFile(name, SUM, 10, kind, **more)
    rule = choose_rule(RULES, file, frozenset({name, *others.split()}), head)
    return None if rule is None else rule.compression.value


@pytest.mark.parametrize(
    ("name", "compression"),
    [("dump.sql", "xz"), ("small-dump.sql", None), ("dump.SQL", "gzip"), ("home.tar", "gzip"), ("notes", "gzip")],
)
def test_first_rule_that_fits_counts(name, compression):
    assert _chosen(name) == compression


def test_encrypted_file_is_never_compressed():
    assert _chosen("dump.sql.age", encryption=Encryption.AGE, head=b"") is None
    assert _chosen("dump.sql.secret", encryption=Encryption.AGE) is None


def test_level_and_threads_are_read_or_have_defaults():
    xz, *_ = read_rules({"*.sql": "xz"}, "x")
    given, *_ = read_rules({"*.sql": {"format": "xz", "level": 0, "threads": 3}}, "x")

    assert (xz.level, xz.threads >= 1) == (Compression.XZ.default_level, True)
    assert (given.level, given.threads) == (0, 3)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("zip", "'zip' is no format"),
        ({"level": 3}, "None is no format"),
        ({"format": "xz", "levle": 3}, "unknown key 'levle'"),
        ({"format": "xz", "level": 10}, "xz has the levels 0 to 9, not 10"),
        ({"format": "gzip", "level": 0}, "gzip has the levels 1 to 9, not 0"),
        ({"format": "xz", "level": "best"}, "not 'best'"),
        ({"format": "xz", "threads": 0}, "expected 1 to 64 threads, got 0"),
        ({"format": "none", "level": 4}, "none has the levels 0 to 0"),
    ],
)
def test_rule_that_is_wrong_is_told_with_its_place(value, told):
    with pytest.raises(ConfigInvalid, match=re.escape('x.toml: compression."*.sql": ')) as caught:
        read_rules({"*.sql": value}, "x.toml")
    assert told in caught.value.message


@pytest.mark.parametrize("name", ["a.tgz", "a.tar.zst", "a.JPG", "a.zip", "a.xlsx", "a.mp4", "a.age", "a.xz"])
def test_name_of_what_is_compressed_keeps_it_as_it_is(name):
    assert _chosen(name) is None


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"x", mtime=0),
        bz2.compress(b"x"),
        lzma.compress(b"x"),
        b"\x28\xb5\x2f\xfd....",
        b"PK\x03\x04....",
        b"\xff\xd8\xff\xe0....",
        b"\x00\x00\x00\x18ftypmp42",
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"",
    ],
)
def test_first_bytes_of_what_is_compressed_keep_it_as_it_is(data):
    assert is_compressed("dump.sql", data[:HEAD_BYTES])
    assert _chosen("dump.sql", head=data[:HEAD_BYTES]) is None


@pytest.mark.parametrize("head", [b"-- a dump", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"\x00" * 32])
def test_plain_bytes_are_compressed(head):
    assert _chosen("dump.sql", head=head) == "xz"


def test_what_the_client_says_is_compressed_stays():
    assert _chosen("home.tar", FileKind.TAR, compression=Compression.XZ) is None
    assert _chosen("home.tar", FileKind.TAR) == "gzip"


@pytest.mark.parametrize("kind", [FileKind.LOG, FileKind.CONTENTS])
def test_lists_and_logs_keep_their_names(kind):
    assert _chosen("client.log", kind) is None


def test_name_that_is_taken_or_would_be_too_long_keeps_a_file_as_it_is():
    assert _chosen("dump.sql", others="dump.sql.xz") is None
    assert _chosen("a" * 194 + ".sql") is None
    assert _chosen("a" * 193 + ".sql") == "xz"
