"""Restoring: some paths, into what, damage, interruption."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Directory, FileKind, LocalDirectory, Packer, Progress
from thaniya_client.values import Report
from thaniya_core.errors import AlreadyExists, CommandFailed, IllegalName, IntegrityFailed, NotFound, WrongUsage
from thaniya_core.system.run import run

Snapshot = dict[bytes, tuple[object, ...]]


@pytest.fixture
def made(target: LocalDirectory, odd_tree: Path) -> Report:
    """A backup of the odd tree."""
    return target.backup(Directory(odd_tree), name="nightly")


def marker(directory: Path, report: Report) -> Path:
    return directory / f".thaniya-restoring-{report.id}"


@pytest.mark.parametrize("path", ["dir-plain.txt/plain.txt", "./dir-plain.txt/plain.txt", "dir-plain.txt//plain.txt/"])
def test_one_file_is_restored_alone(target: LocalDirectory, made: Report, tmp_path: Path, path: str) -> None:
    target.restore(made.id, into=tmp_path / "part", paths=[path])
    assert sorted(os.walk(tmp_path / "part")) == [
        (str(tmp_path / "part"), ["dir-plain.txt"], []),
        (str(tmp_path / "part/dir-plain.txt"), [], ["plain.txt"]),
    ]


class Dump:
    """A plain file, made without a file."""

    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        with out.open("dump.sql") as file:
            file.write(b"select")


@pytest.fixture
def mixed(target: LocalDirectory, tmp_path: Path) -> Report:
    """A backup of a directory and of a plain `dump.sql`."""
    (tmp_path / "home/alice").mkdir(parents=True)
    (tmp_path / "home/alice/notes").touch()
    (tmp_path / "home/alice/dump.sql").write_bytes(b"not this one")
    os.utime(tmp_path / "home", (0, 0))
    return target.backup(Directory(tmp_path / "home"), Dump(), name="mixed")


def found_in(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["dump.sql"], ["dump.sql"]),
        (["/dump.sql", "alice/notes"], ["alice/notes", "dump.sql"]),
        (["alice"], ["alice/dump.sql", "alice/notes"]),
        (["./alice"], ["alice/dump.sql", "alice/notes"]),
        (["alice/"], ["alice/dump.sql", "alice/notes"]),
        (["/alice"], ["alice/dump.sql", "alice/notes"]),
        (["alice", "alice/notes"], ["alice/dump.sql", "alice/notes"]),
        (["./"], ["alice/dump.sql", "alice/notes", "dump.sql"]),
    ],
)
def test_paths_of_an_archive_and_a_plain_file_are_told_apart(
    target: LocalDirectory, mixed: Report, tmp_path: Path, paths: list[str], expected: list[str]
) -> None:
    target.restore(mixed.id, into=tmp_path / "part", paths=paths)
    assert found_in(tmp_path / "part") == expected


def test_time_of_the_top_directory_comes_back_beside_a_plain_file(
    target: LocalDirectory, mixed: Report, archive_of: Callable[[str], Path], tmp_path: Path
) -> None:
    target.restore(mixed.id, into=tmp_path / "restored")
    run(["sh", str(archive_of(mixed.id) / "RESTORE.txt"), str(tmp_path / "by shell")], timeout_s=60)

    assert (tmp_path / "restored").stat().st_mtime == 0
    assert (tmp_path / "by shell").stat().st_mtime == 0


def test_a_directory_is_restored_with_all_below(target: LocalDirectory, made: Report, tmp_path: Path) -> None:
    target.restore(made.id, into=tmp_path / "part", paths=["d" * 100])
    assert len(list((tmp_path / "part").rglob("*"))) == 9


@pytest.mark.parametrize("name", [b"new\nline", b"not-utf-8-\xff\xfe", b"*", b"tab\tand\\backslash", b"--help"])
def test_odd_names_are_found(target: LocalDirectory, made: Report, tmp_path: Path, name: bytes) -> None:
    target.restore(made.id, into=tmp_path / "part", paths=[os.fsdecode(name)])
    assert [path.name for path in (tmp_path / "part").iterdir()] == [os.fsdecode(name)]


def test_missing_path_is_named_and_nothing_is_written(target: LocalDirectory, made: Report, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"not in backup .*: 'no/such'"):
        target.restore(
            made.id, into=tmp_path / "part", paths=["plain.txt", "hard\nlink", "dir-plain.txt/hard", "no/such"]
        )
    assert not (tmp_path / "part").exists()


def test_hard_link_without_its_data_is_refused(target: LocalDirectory, made: Report, tmp_path: Path) -> None:
    links = {entry.path for entry in target.files(made.id) if entry.mode.startswith("h")}
    with pytest.raises(WrongUsage, match="hard link"):
        target.restore(made.id, into=tmp_path / "part", paths=[os.fsdecode(path) for path in links])


@pytest.mark.parametrize("path", ["", "../x", "a/../../b"])
def test_path_out_of_the_backup_is_refused(target: LocalDirectory, made: Report, tmp_path: Path, path: str) -> None:
    with pytest.raises(WrongUsage, match="not a path inside a backup"):
        target.restore(made.id, into=tmp_path / "part", paths=[path])


def test_target_that_is_not_empty_is_refused(target: LocalDirectory, made: Report, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/plain.txt").write_text("precious")
    with pytest.raises(AlreadyExists, match="not empty"):
        target.restore(made.id, into=tmp_path / "full")
    assert (tmp_path / "full/plain.txt").read_text() == "precious"


def test_target_that_is_not_empty_is_used_when_told_so(target: LocalDirectory, made: Report, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/*").write_text("to be replaced")
    (tmp_path / "full/other").write_text("stays")
    target.restore(made.id, into=tmp_path / "full", overwrite=True)
    assert (tmp_path / "full/other").read_text() == "stays"
    assert (tmp_path / "full/*").read_bytes() != b"to be replaced"


def test_target_that_is_a_file_is_refused(target: LocalDirectory, made: Report, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WrongUsage, match="not a directory"):
        target.restore(made.id, into=tmp_path / "file")


def test_marker_lies_there_while_restoring_only(target: LocalDirectory, made: Report, tmp_path: Path) -> None:
    seen: list[bool] = []

    def look(progress: Progress) -> None:
        if progress.phase == "restoring" and progress.read_bytes:
            seen.append(marker(tmp_path / "restored", made).exists())

    target.restore(made.id, into=tmp_path / "restored", on_progress=look)

    assert seen and all(seen)
    assert not marker(tmp_path / "restored", made).exists()


def test_interrupted_restore_is_seen_and_may_be_run_again(
    target: LocalDirectory, made: Report, odd_tree: Path, tmp_path: Path, snapshot: Callable[[Path], Snapshot]
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.read_bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        target.restore(made.id, into=tmp_path / "restored", on_progress=interrupt)
    assert marker(tmp_path / "restored", made).exists()

    target.restore(made.id, into=tmp_path / "restored")
    assert snapshot(tmp_path / "restored") == snapshot(odd_tree)


@pytest.mark.parametrize("compression", ["none", "gzip", "bzip2", "xz"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "tail"])
def test_damage_is_told(
    target: LocalDirectory,
    odd_tree: Path,
    tmp_path: Path,
    archive_of: Callable[[str], Path],
    compression: str,
    damage: str,
) -> None:
    report = target.backup(Directory(odd_tree, name="home", compression=compression), name="nightly")
    (file,) = archive_of(report.id).glob("home.tar*")
    data = bytearray(file.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 0x40
    elif damage == "cut":
        del data[len(data) // 2 :]
    else:
        data += b"more"
    file.chmod(0o600)
    file.write_bytes(data)

    with pytest.raises(IntegrityFailed, match=r"home\.tar.* is damaged") as caught:
        target.restore(report.id, into=tmp_path / "restored")

    assert "do not trust" in caught.value.hint
    assert marker(tmp_path / "restored", report).exists()


def test_damaged_contents_list_is_told(target: LocalDirectory, made: Report, archive_of: Callable[[str], Path]) -> None:
    file = archive_of(made.id) / "source.files.gz"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(IntegrityFailed):
        list(target.files(made.id))


@pytest.mark.usefixtures("made")
def test_unknown_backup_is_not_found(target: LocalDirectory, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no backup"):
        target.restore("20200101T000000Z-000000", into=tmp_path / "x")
    with pytest.raises(IllegalName, match="not an id"):
        target.restore("../../etc", into=tmp_path / "x")


def test_tar_that_cannot_write_fails(
    target: LocalDirectory, made: Report, tmp_path: Path, programs: Callable[[str, str], None]
) -> None:
    programs(
        "tar",
        'if [ "$1" = --version ]; then echo "tar (GNU tar) 1.35"; '
        'else echo "tar: ./x: Cannot write: No space left on device" >&2; exit 2; fi',
    )
    with pytest.raises(CommandFailed, match="No space left"):
        target.restore(made.id, into=tmp_path / "restored")


def test_archive_of_a_shell_user_restores_some_paths(target: LocalDirectory, tmp_path: Path) -> None:
    """Members without a leading `./` and no contents list: as people make archives by hand."""

    class ByHand:
        def estimate_bytes(self) -> int | None:
            return None

        def pack(self, out: Packer) -> None:
            data = io.BytesIO()
            with tarfile.open(fileobj=data, mode="w") as tar:
                for name in ("home/a", "home/b", "etc/c"):
                    tar.addfile(tarfile.TarInfo(name))
            with out.open("all.tar", kind=FileKind.TAR) as file:
                file.write(data.getvalue())

    report = target.backup(ByHand(), name="by-hand")
    target.restore(report.id, into=tmp_path / "part", paths=["home"])
    assert sorted(path.name for path in (tmp_path / "part").rglob("*")) == ["a", "b", "home"]
    with pytest.raises(NotFound, match="'nowhere'"):
        target.restore(report.id, into=tmp_path / "other", paths=["home", "nowhere"])
    with pytest.raises(NotFound, match="no contents list"):
        next(target.files(report.id))


@pytest.mark.usefixtures("no_gnu_tar")
@pytest.mark.parametrize("trick", ["../outside", "/abs/outside", "link/outside"])
def test_tricky_archive_cannot_write_outside(target: LocalDirectory, tmp_path: Path, trick: str) -> None:

    class Tricky:
        def estimate_bytes(self) -> int | None:
            return None

        def pack(self, out: Packer) -> None:
            data = io.BytesIO()
            with tarfile.open(fileobj=data, mode="w") as tar:
                link = tarfile.TarInfo("link")
                link.type, link.linkname = tarfile.SYMTYPE, ".."
                tar.addfile(link)
                tar.addfile(tarfile.TarInfo(trick))
            with out.open("all.tar", kind=FileKind.TAR) as file:
                file.write(data.getvalue())

    report = target.backup(Tricky(), name="tricky")
    with pytest.raises(IntegrityFailed, match="outside"):
        target.restore(report.id, into=tmp_path / "deep/restored")
    assert not list(tmp_path.rglob("outside"))
