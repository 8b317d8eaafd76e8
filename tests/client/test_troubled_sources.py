"""Sources that cannot be read, change, vanish or fail while they are packed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Directory, LocalDirectory, Phase, Progress
from thaniya_core.errors import SourceFailed, WrongUsage

Programs = Callable[[str, str], None]


def make_files(directory: Path, number: int, size: int) -> None:
    directory.mkdir()
    for index in range(number):
        (directory / f"file{index:03}").write_bytes(b"x" * size)


@pytest.mark.usefixtures("powerless_tar")
def test_unreadable_file_is_a_warning(target: LocalDirectory, tmp_path: Path) -> None:
    make_files(tmp_path / "source", 3, 10)
    (tmp_path / "source/file001").chmod(0)

    report = target.backup(Directory(tmp_path / "source"), name="nightly")

    assert report.state == "archived"
    assert report.warning_count == 1
    assert "file001" in report.warnings[0] and "Permission denied" in report.warnings[0]
    document = target.show(report.id)
    assert document.warnings == report.warnings and document.warning_count == 1
    log = tmp_path / "log"
    with log.open("wb") as file:
        target.fetch(report.id, "client.log", file)
    assert f"WARNING {report.warnings[0]}" in log.read_text()
    target.restore(report.id, into=tmp_path / "restored")
    assert sorted(path.name for path in (tmp_path / "restored").iterdir()) == ["file000", "file002"]


@pytest.mark.usefixtures("powerless_tar")
def test_warnings_are_capped_but_counted(target: LocalDirectory, tmp_path: Path) -> None:
    make_files(tmp_path / "source", 250, 1)
    for path in (tmp_path / "source").iterdir():
        path.chmod(0)

    report = target.backup(Directory(tmp_path / "source"), name="nightly")

    assert report.warning_count == 250
    assert len(report.warnings) == 200


def test_vanished_files_are_warnings(target: LocalDirectory, tmp_path: Path) -> None:
    make_files(tmp_path / "source", 40, 500_000)

    def remove_everything(progress: Progress) -> None:
        if progress.phase is Phase.PACKING and progress.read_bytes:
            for path in (tmp_path / "source").iterdir():
                path.unlink()

    report = target.backup(Directory(tmp_path / "source"), name="nightly", on_progress=remove_everything)

    assert report.state == "archived"
    assert 1 < report.warning_count <= 42
    assert any("emoved" in warning or "No such file" in warning for warning in report.warnings)
    target.restore(report.id, into=tmp_path / "restored")


def test_shrinking_file_is_a_warning_and_the_archive_stays_whole(target: LocalDirectory, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    big = tmp_path / "source/big"
    big.write_bytes(b"x" * 30_000_000)

    def shrink(progress: Progress) -> None:
        if progress.read_bytes and big.stat().st_size > 10:
            big.write_bytes(b"short")

    report = target.backup(Directory(tmp_path / "source"), name="nightly", on_progress=shrink)

    assert report.warning_count >= 1
    assert "big" in report.warnings[0]
    target.restore(report.id, into=tmp_path / "restored")
    assert (tmp_path / "restored/big").stat().st_size == 30_000_000


@pytest.mark.parametrize(
    ("ending", "told"),
    [("kill -9 $$", "killed by signal 9"), ("echo 'tar: disk on fire' >&2; exit 2", "disk on fire")],
)
def test_failing_tar_archives_nothing(
    target: LocalDirectory,
    tmp_path: Path,
    programs: Programs,
    incoming: Callable[[], list[Path]],
    all_archived: Callable[[], list[str]],
    ending: str,
    told: str,
) -> None:
    make_files(tmp_path / "source", 1, 10)
    programs(
        "tar", f'if [ "$1" = --version ]; then echo "tar (GNU tar) 1.35"; else head -c 3000000 /dev/zero; {ending}; fi'
    )

    with pytest.raises(SourceFailed, match=told):
        target.backup(Directory(tmp_path / "source"), name="nightly")

    assert all_archived() == []
    assert incoming() == []


def test_missing_source_fails_before_anything_is_written(target: LocalDirectory, tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="No such file"):
        target.backup(Directory(tmp_path / "nowhere"), name="nightly")
    assert not (target.path / "archive").exists()


def test_source_that_vanishes_wholly_fails(
    target: LocalDirectory, tmp_path: Path, all_archived: Callable[[], list[str]]
) -> None:
    make_files(tmp_path / "source", 1, 1)

    def move_away(progress: Progress) -> None:
        if progress.phase is Phase.PACKING:
            (tmp_path / "source").rename(tmp_path / "elsewhere")

    with pytest.raises(SourceFailed):
        target.backup(Directory(tmp_path / "source"), name="nightly", on_progress=move_away)
    assert all_archived() == []


def test_an_interrupt_leaves_nothing_behind(
    target: LocalDirectory, tmp_path: Path, incoming: Callable[[], list[Path]], all_archived: Callable[[], list[str]]
) -> None:
    make_files(tmp_path / "source", 40, 500_000)

    def interrupt(progress: Progress) -> None:
        if progress.read_bytes > 3_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        target.backup(Directory(tmp_path / "source"), name="nightly", on_progress=interrupt)

    assert incoming() == []
    assert all_archived() == []


def test_two_tasks_of_one_name_are_refused(
    target: LocalDirectory, tmp_path: Path, all_archived: Callable[[], list[str]]
) -> None:
    make_files(tmp_path / "source", 1, 1)
    with pytest.raises(WrongUsage, match=r"source\.tar\.gz"):
        target.backup(Directory(tmp_path / "source"), Directory(tmp_path / "source"), name="nightly")
    assert all_archived() == []


@pytest.mark.parametrize("pattern", ["", "/", ".", "./x", "a/../b", "a//b"])
def test_senseless_exclude_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(WrongUsage, match="exclude pattern"):
        Directory(tmp_path, exclude=[pattern])
