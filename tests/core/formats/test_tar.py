"""How GNU tar is asked to extract."""

from __future__ import annotations

import os

import pytest

from thaniya_core.formats.manifest import BackupFile
from thaniya_core.formats.tar import absent_members, extract_options, member_arguments, missing_member


def test_attributes_are_asked_for_where_the_archive_has_them():
    plain, rich = BackupFile("home.tar", ""), BackupFile("home.tar", "", xattrs=True, acls=True)

    assert "--xattrs" not in extract_options(plain) and "--acls" not in extract_options(plain)
    assert {"--xattrs", "--xattrs-include=*", "--acls"} < set(extract_options(rich))


def test_members_are_asked_for_with_and_without_a_leading_dot():
    arguments = member_arguments(["-rf", "a b"])
    assert arguments[arguments.index("--") + 1 :] == ["./-rf", "-rf", "./a b", "a b"]


@pytest.mark.parametrize(
    ("message", "member"),
    [
        ('tar: "./two\\nlines": Not found in archive', b"./two\nlines"),
        ('/usr/bin/tar: "a": Not found in archive', b"a"),
        ('"\\377": Not found in archive', b"\xff"),
        ("tar: ./a: Cannot open: Permission denied", None),
    ],
)
def test_message_names_the_member_that_is_missing(message, member):
    assert missing_member(message) == member


def test_member_is_absent_when_it_is_there_under_neither_name():
    odd = os.fsdecode(b"\xff")
    missing = {b"./a", b"a", b"./b", b"./\xff", b"\xff"}
    assert absent_members(["a", "b", "c", odd], missing) == ["a", odd]
