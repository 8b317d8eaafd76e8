"""Which files of a backup, and what of each, a list of paths means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thaniya_core.errors import NotFound, WrongUsage
from thaniya_core.formats.manifest import BackupDocument, FileKind, Manifest, SumsBy, describe_file, make_document
from thaniya_core.formats.names import Series
from thaniya_core.formats.restoring import (
    Part,
    all_parts,
    normalize_path,
    restore_directory,
    restored_path,
    select_parts,
)

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)


def _document(*names: str) -> BackupDocument:
    return make_document(
        Series("alice", "web1", "nightly"),
        "20261123T211500Z-7f3a2c",
        tuple(describe_file(name, "0" * 64) for name in names),
        Manifest(()),
        sums_by=SumsBy.CLIENT,
        created_at=NOW,
        completed_at=NOW,
        archived_at=NOW,
    )


def _selected(document: BackupDocument, *paths: str) -> dict[str, tuple[str, ...]]:
    return {part.file.name: part.members for part in select_parts(document, paths)}


@pytest.mark.parametrize("path", ["alice", "./alice", "alice/", "/alice", "//alice//", "./alice/."])
def test_a_path_may_be_written_in_several_ways(path):
    assert normalize_path(path) == "alice"
    assert _selected(_document("home.tar.gz"), path) == {"home.tar.gz": ("alice",)}


@pytest.mark.parametrize("path", ["./", ".", "/", "//"])
def test_the_whole_backup_may_be_written_in_several_ways(path):
    document = _document("home.tar.gz", "dump.sql", "client.log")

    assert select_parts(document, [path, "dump.sql"]) == select_parts(document, []) == all_parts(document.files)


@pytest.mark.parametrize("path", ["", "..", "../x", "a/../../b", "/.."])
def test_path_that_is_empty_or_leads_out_is_refused(path):
    with pytest.raises(WrongUsage, match="not a path inside a backup"):
        select_parts(_document("home.tar.gz"), [path])


def test_name_of_a_plain_file_means_that_file():
    document = _document("home.tar.gz", "dump.sql")

    assert _selected(document, "dump.sql") == {"dump.sql": ()}
    assert _selected(document, "dump.sql", "alice") == {"dump.sql": (), "home.tar.gz": ("alice",)}
    assert _selected(document, "dump.sql/x") == {"home.tar.gz": ("dump.sql/x",)}


def test_paths_begin_with_the_archive_where_there_are_several():
    document = _document("home.tar.gz", "etc.tar")

    assert _selected(document, "home/alice", "etc") == {"home.tar.gz": ("alice",), "etc.tar": ()}
    with pytest.raises(NotFound, match="'alice', 'bob'"):
        select_parts(document, ["bob", "home/alice", "alice"])


def test_path_below_another_wanted_one_is_not_asked_for_twice():
    assert _selected(_document("home.tar"), "a/b", "a", "ab") == {"home.tar": ("a", "ab")}


def test_plain_files_are_restored_before_archives():
    names = [part.file.name for part in all_parts(_document("home.tar.gz", "dump.sql", "client.log").files)]
    assert names == ["dump.sql", "home.tar.gz"]


def test_a_part_knows_what_its_members_are_called_below_the_target():
    (file,) = _document("home.tar").files
    assert Part(file, "").outer("alice") == "alice"
    assert Part(file, "home").outer("alice") == "home/alice"


@pytest.mark.parametrize(
    ("names", "directories"),
    [
        (["home.tar.gz"], [""]),
        (["home.tar.gz", "notes.txt"], ["", ""]),
        (["home.tar.gz", "etc.tar"], ["home", "etc"]),
        (["home.tar.gz", "home.tar"], ["home.tar.gz", "home.tar"]),
        (["home.tar.gz", "etc.tar", "home"], ["home.tar.gz", "etc", ""]),
        (["a.tar", "a.tar.tar"], ["a", "a.tar.tar"]),
        (["home.tar.gz", "etc.tar", "etc.log"], ["home", "etc", ""]),
    ],
)
def test_each_of_several_archives_is_restored_into_a_directory_of_its_own(names, directories):
    found = [describe_file(name, "0" * 64) for name in names]

    assert [restore_directory(file, found) for file in found] == directories


@given(st.lists(st.from_regex(r"[ab](\.tar)?(\.gz|\.xz)?", fullmatch=True), unique=True, max_size=9))
def test_no_two_files_are_restored_to_the_same_place(names):
    found = [describe_file(name, "0" * 64) for name in names]
    places = [restore_directory(file, found) or (file.name if file.kind is FileKind.FILE else "") for file in found]

    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    ("directory", "path", "below"),
    [("", b"./etc", b"./etc"), ("home", b"./etc", b"./home/etc"), ("home", b"etc/x", b"./home/etc/x")],
)
def test_path_below_the_target_begins_with_the_directory_of_its_archive(directory, path, below):
    assert restored_path(directory, path) == below
