"""A directory that is backed up and restored is the same directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Compression, Directory, LocalDirectory, Packer
from thaniya_core.formats.manifest import FileKind
from thaniya_core.system.run import run

Snapshot = dict[bytes, tuple[object, ...]]


@pytest.mark.parametrize("compression", list(Compression))
def test_restored_tree_equals_the_source(
    target: LocalDirectory,
    odd_tree: Path,
    tmp_path: Path,
    snapshot: Callable[[Path], Snapshot],
    compression: Compression,
) -> None:
    report = target.backup(Directory(odd_tree, compression=compression), name="nightly", host="web1")
    restored = target.restore(report.id, into=tmp_path / "restored")

    assert report.state == "archived"
    assert report.warnings == ()
    assert str(report.series) == "alice/web1/nightly"
    assert report.entries == len(snapshot(odd_tree))
    assert snapshot(tmp_path / "restored") == snapshot(odd_tree)
    assert restored.original_bytes == report.files[0].original_bytes


def test_holes_stay_holes(target: LocalDirectory, odd_tree: Path, tmp_path: Path) -> None:
    report = target.backup(Directory(odd_tree, compression="none"), name="nightly")
    target.restore(report.id, into=tmp_path / "restored")

    assert report.stored_bytes < 8 * 1024 * 1024
    assert (tmp_path / "restored/sparse").stat().st_blocks * 512 < 1024 * 1024


@pytest.mark.parametrize("compression", list(Compression))
def test_restore_txt_restores_with_a_shell_alone(
    target: LocalDirectory,
    odd_tree: Path,
    tmp_path: Path,
    snapshot: Callable[[Path], Snapshot],
    archive_of: Callable[[str], Path],
    compression: Compression,
) -> None:
    report = target.backup(Directory(odd_tree, compression=compression), name="nightly")

    run(["sh", str(archive_of(report.id) / "RESTORE.txt"), str(tmp_path / "by hand")], timeout_s=60)

    assert snapshot(tmp_path / "by hand") == snapshot(odd_tree)


def test_several_directories_restore_side_by_side(
    target: LocalDirectory, tmp_path: Path, archive_of: Callable[[str], Path]
) -> None:
    for name in ("home", "etc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same-name").write_text(name)
    report = target.backup(Directory(tmp_path / "home"), Directory(tmp_path / "etc"), name="two")

    target.restore(report.id, into=tmp_path / "restored")
    target.restore(report.id, into=tmp_path / "part", paths=["etc/same-name"])
    run(["sh", str(archive_of(report.id) / "RESTORE.txt"), str(tmp_path / "by hand")], timeout_s=60)

    assert (tmp_path / "restored/home/same-name").read_text() == "home"
    assert (tmp_path / "restored/etc/same-name").read_text() == "etc"
    assert (tmp_path / "by hand/home/same-name").read_text() == "home"
    assert [path.name for path in (tmp_path / "part").iterdir()] == ["etc"]
    assert {entry.path for entry in target.files(report.id)} >= {b"./home/same-name", b"./etc/same-name"}


def test_contents_list_names_every_member(
    target: LocalDirectory, odd_tree: Path, snapshot: Callable[[Path], Snapshot]
) -> None:
    report = target.backup(Directory(odd_tree), name="nightly")

    entries = {entry.path.removeprefix(b"./").rstrip(b"/") or b".": entry for entry in target.files(report.id)}

    assert set(entries) == set(snapshot(odd_tree))
    assert entries[b"dangling"].target == b"./no//such -> \n\xff"
    assert entries[b"sparse"].size_bytes == 16 * 1024 * 1024
    assert entries[b"-leading-dash"].mtime == "2009-02-13T23:31:30Z"


def test_manifest_tells_sizes_kinds_and_entries(
    target: LocalDirectory, odd_tree: Path, archive_of: Callable[[str], Path]
) -> None:
    report = target.backup(Directory(odd_tree, name="home"), name="nightly")

    document = target.show(report.id)
    archive, contents, log = document.files
    assert [archive.name, contents.name, log.name] == ["home.tar.gz", "home.files.gz", "client.log"]
    assert [archive.kind, contents.kind, log.kind] == [FileKind.TAR, FileKind.CONTENTS, FileKind.LOG]
    assert archive.entries == contents.entries == report.entries
    assert contents.describes == "home.tar.gz"
    assert archive.original_bytes is not None and archive.original_bytes % 10240 == 0
    assert {path.stat().st_mode & 0o777 for path in archive_of(report.id).iterdir()} == {0o440}


def test_excluded_paths_are_left_out(target: LocalDirectory, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path in (
        "a.tmp",
        "keep/b.tmp",
        "keep/c",
        "cache/x",
        "keep/cache/y",
        "build/z.o",
        "keep/build/z.o",
        "build/k/z.o",
    ):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).touch()

    report = target.backup(Directory(source, exclude=["*.tmp", "/cache", "build/*.o"]), name="nightly")

    files = {entry.path for entry in target.files(report.id) if not entry.is_directory}
    assert files == {b"./keep/c", b"./keep/cache/y", b"./keep/build/z.o", b"./build/k/z.o"}


def test_extended_attributes_come_back_when_asked_for(target: LocalDirectory, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").touch()
    try:
        os.setxattr(source / "file", "user.colour", b"blue")
    except OSError:
        pytest.skip("this file system keeps no extended attributes")

    report = target.backup(Directory(source, xattrs=True), name="nightly")
    target.restore(report.id, into=tmp_path / "restored")

    assert os.getxattr(tmp_path / "restored/file", "user.colour") == b"blue"


def test_estimate_is_never_less_than_the_archive(target: LocalDirectory, odd_tree: Path) -> None:
    task = Directory(odd_tree, compression="none")

    estimated = task.estimate_bytes()
    report = target.backup(task, name="nightly")

    assert estimated is not None
    assert report.stored_bytes <= estimated < report.stored_bytes + 8 * 1024 * 1024


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_every_level_of_gzip_is_readable(target: LocalDirectory, tmp_path: Path, level: int) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").write_bytes(b"abc" * 100_000)

    report = target.backup(Directory(tmp_path / "source", level=level), name="nightly")
    target.restore(report.id, into=tmp_path / "restored")

    assert (tmp_path / "restored/file").read_bytes() == b"abc" * 100_000


def test_progress_is_told_in_order(target: LocalDirectory, odd_tree: Path) -> None:
    told = []
    report = target.backup(Directory(odd_tree), name="nightly", on_progress=told.append)

    phases = list(dict.fromkeys(progress.phase.value for progress in told))
    assert phases == ["estimating", "packing", "archiving", "done"]
    assert told[-1].entries == report.entries
    assert told[-1].sent_bytes == report.stored_bytes
    assert [progress.read_bytes for progress in told] == sorted(progress.read_bytes for progress in told)


def test_tar_options_from_outside_have_no_effect(
    target: LocalDirectory, odd_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAR_OPTIONS", "--exclude=*")
    monkeypatch.setenv("LC_ALL", "C")
    assert target.backup(Directory(odd_tree), name="nightly").entries > 30


def test_an_own_task_needs_two_methods(target: LocalDirectory, tmp_path: Path) -> None:
    class Greeting:
        def estimate_bytes(self) -> int | None:
            return None

        def pack(self, out: Packer) -> None:
            with out.open("greeting.txt") as file:
                file.write(b"hello")

    report = target.backup(Greeting(), name="own")
    target.restore(report.id, into=tmp_path / "restored")

    assert (tmp_path / "restored/greeting.txt").read_bytes() == b"hello"


def test_real_tree_survives(target: LocalDirectory, tmp_path: Path, snapshot: Callable[[Path], Snapshot]) -> None:
    source = tmp_path / "library"
    shutil.copytree(Path(shutil.__file__).parent / "email", source)

    report = target.backup(Directory(source), name="library")
    target.restore(report.id, into=tmp_path / "restored")

    assert snapshot(tmp_path / "restored") == snapshot(source)
