"""Chains of increments: what is read, what is unpacked, and what RESTORE.txt says of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from thaniya_core.errors import IntegrityFailed, NotFound, WrongUsage
from thaniya_core.formats.chains import read_chain, restore_steps
from thaniya_core.formats.documents import encode_restore
from thaniya_core.formats.manifest import (
    INCREMENT_FORMAT,
    BackupDocument,
    BackupFile,
    FileKind,
    Manifest,
    SumsBy,
    check_manifest,
    decode_document,
    encode_document,
    make_document,
)
from thaniya_core.formats.names import Series
from thaniya_core.formats.restoring import Part, all_parts, check_overwrite, select_parts
from thaniya_core.formats.tar import extract_options, member_arguments
from thaniya_core.model import Backup, agree_on_parent, increments_on, mark_broken_chains

AT = datetime(2026, 11, 23, tzinfo=UTC)
SHA256 = "0" * 64
FULL, FIRST, SECOND = (f"2026112{day}T000000Z-00000{day}" for day in (1, 2, 3))


def _tar(name: str = "home.tar.gz", *, incremental: bool = False) -> BackupFile:
    return BackupFile(name, SHA256, 10, FileKind.TAR, incremental=incremental)


def _document(backup_id: str, *files: BackupFile, parent: str | None = None) -> BackupDocument:
    return make_document(
        Series("alice", "web1", "nightly"),
        backup_id,
        files,
        Manifest(files, parent=parent),
        sums_by=SumsBy.CLIENT,
        created_at=AT,
        completed_at=AT,
        archived_at=AT,
    )


CHAIN = [
    _document(SECOND, _tar(incremental=True), BackupFile("note.txt", SHA256, 3), parent=FIRST),
    _document(FIRST, _tar("home.tar.xz", incremental=True), parent=FULL),
    _document(FULL, _tar(), _tar("etc.tar.gz")),
]


def _read(backup_id: str) -> BackupDocument:
    for document in CHAIN:
        if document.id == backup_id:
            return document
    raise NotFound(f"no backup {backup_id}")


def test_chain_is_read_down_to_the_full_backup() -> None:
    assert read_chain(CHAIN[0], _read) == CHAIN
    assert read_chain(CHAIN[2], _read) == CHAIN[2:]


def test_missing_parent_is_named() -> None:
    lost = replace(CHAIN[1], parent="20260101T000000Z-000000")
    with pytest.raises(NotFound, match=f"{FIRST} cannot be restored: it builds on 20260101T000000Z-000000"):
        read_chain(lost, _read)


def test_circle_and_parent_of_another_series_are_no_chain() -> None:
    with pytest.raises(IntegrityFailed, match="more than 1000"):
        read_chain(CHAIN[1], lambda backup_id: replace(CHAIN[1], id=backup_id, parent=backup_id))
    with pytest.raises(IntegrityFailed, match="does not build on"):
        read_chain(CHAIN[0], lambda backup_id: replace(_read(backup_id), name="other"))


def test_steps_go_from_the_full_archive_upwards() -> None:
    steps = restore_steps(CHAIN, select_parts(CHAIN[0], ["a/b"]))
    assert [(step.document.id, step.part.file.name) for step in steps] == [
        (FULL, "home.tar.gz"),
        (FIRST, "home.tar.xz"),
        (SECOND, "home.tar.gz"),
    ]
    assert {step.part.members for step in steps} == {("a/b",)}
    assert {step.part.directory for step in steps} == {""}


def test_parent_without_the_archive_is_told() -> None:
    with pytest.raises(IntegrityFailed, match=r"has 0 archives home\.tar"):
        restore_steps([CHAIN[1], replace(CHAIN[2], files=())], all_parts(CHAIN[1].files))


def test_only_increments_are_unpacked_incrementally() -> None:
    assert "--listed-incremental=/dev/null" in extract_options(_tar(incremental=True))
    assert "--listed-incremental=/dev/null" not in extract_options(_tar())


def test_members_of_an_increment_are_asked_for_with_the_directories_above_them() -> None:
    arguments = member_arguments(["a/-b/c"], incremental=True)
    assert arguments[arguments.index("--no-recursion") :] == [
        "--no-recursion",
        *("--add-file=./", "--add-file=./a", "--add-file=./a/-b"),
        "--recursion",
        "--add-file=./a/-b/c",
    ]
    assert member_arguments([], incremental=True) == member_arguments([])


def test_restore_text_lists_the_whole_chain_and_plain_files_last() -> None:
    text = encode_restore(CHAIN[0], CHAIN[1:]).decode()
    commands = [line for line in text.splitlines() if "--extract" in line or line.startswith("cp ")]
    assert [next(word for word in command.split() if "/" in word) for command in commands] == [
        '"$BASE_1"/home.tar.gz',
        '"$BASE_2"/home.tar.xz',
        "./home.tar.gz",
        "./note.txt",
    ]
    assert ["--listed-incremental" in command for command in commands] == [False, True, True, False]
    assert text.index(f'BASE_1="$(find_backup {FULL})"') < text.index(f'BASE_2="$(find_backup {FIRST})"')


def test_increment_says_so_in_its_format() -> None:
    assert [document.format for document in CHAIN] == [INCREMENT_FORMAT, INCREMENT_FORMAT, 1]
    assert decode_document(encode_document(CHAIN[0]), "backup.json") == CHAIN[0]


@pytest.mark.parametrize(
    "manifest",
    [
        Manifest((_tar(incremental=True),)),
        Manifest((BackupFile("a", SHA256, incremental=True),), parent=FULL),
        Manifest((), parent="../there"),
    ],
)
def test_increment_of_nothing_is_refused(manifest: Manifest) -> None:
    with pytest.raises(WrongUsage):
        check_manifest(manifest)


def test_increment_is_not_restored_over_a_tree() -> None:
    with pytest.raises(WrongUsage, match="restored over"):
        check_overwrite([Part(_tar(incremental=True), "")], "/srv", overwrite=True)
    check_overwrite([Part(_tar(), "")], "/srv", overwrite=True)


def _backups(**broken: str) -> list[Backup]:
    names = dict(zip((SECOND, FIRST, FULL), ("second", "first", "full"), strict=True))
    return [Backup(document, "disk", broken.get(names[document.id], "")) for document in CHAIN]


def test_increments_of_what_is_broken_are_broken() -> None:
    assert [backup.broken for backup in mark_broken_chains(_backups())] == ["", "", ""]
    told = f"it builds on {FULL}, which is broken: torn"
    assert [backup.broken for backup in mark_broken_chains(_backups(full="torn"))] == [told, told, "torn"]
    lost = f"it builds on {FULL}, which is not there"
    assert [backup.broken for backup in mark_broken_chains(_backups()[:2])] == [lost, lost]
    assert [backup.id for backup in increments_on(FULL, reversed(_backups()))] == [SECOND, FIRST]


def test_first_good_parent_offered_is_agreed() -> None:
    good = agree_on_parent(["20260101T000000Z-000000", SECOND, FIRST], _backups(), lambda _: True)
    assert (good.parent, good.refused) == (SECOND, "")
    assert agree_on_parent([SECOND, FIRST], _backups(second="torn"), lambda _: True).parent == FIRST
    refused = agree_on_parent([SECOND, FIRST], _backups(full="torn"), lambda _: True)
    assert refused.refused.count("which is broken: torn") == 2
    away = agree_on_parent([SECOND], _backups(), lambda backup: backup.id != FULL)
    assert (away.parent, away.refused) == ("", f"{FULL} is on a volume that is not there now")
