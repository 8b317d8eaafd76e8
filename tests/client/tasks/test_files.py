"""Files that are named or match patterns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Files, LocalDirectory, SourceFailed, WrongUsage
from thaniya_client.tasks.interface import describe_task

Restored = Callable[[str], Path]
GNU_OR_NOT = pytest.mark.parametrize("gnu", [True, False], ids=["GNU tar", "Python"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A tree to choose from."""
    root = tmp_path / "data"
    for name in ("a.csv", "b.csv", "notes.txt", ".hidden.csv", "deep/er/c.csv", "-x.csv", "[1].csv", "new\nline.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "directory.csv").mkdir()
    (root / "link.csv").symlink_to("a.csv")
    return root


def content(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@GNU_OR_NOT
def test_patterns_and_names_keep_their_paths(
    data: Path, target: LocalDirectory, restored: Restored, gnu: bool, request: pytest.FixtureRequest
) -> None:
    if not gnu:
        request.getfixturevalue("no_gnu_tar")
    report = target.backup(Files(["*.csv", "deep/**/*.csv", "notes.txt", "a.csv"], base=data), name="nightly")
    if not gnu:
        into = data.parent / "restored"
        target.restore(report.id, into=into)
    else:
        into = restored(report.id)
    expected = {"a.csv", "b.csv", "-x.csv", "[1].csv", "new\nline.csv", "deep/er/c.csv", "notes.txt"}
    assert content(into) == {name: name for name in expected} | {"link.csv": "a.csv"}
    assert (into / "link.csv").is_symlink()
    assert sorted(entry.path.removeprefix(b"./").decode() for entry in target.files(report.id)) == sorted(
        expected | {"link.csv"}
    )
    assert report.entries == 8
    assert report.warning_count == 0


def test_absolute_paths_are_kept_from_the_root_on(data: Path, target: LocalDirectory, restored: Restored) -> None:
    report = target.backup(Files([data / "a.csv", f"{data}/*.txt"]), name="nightly")
    relative = str(data)[1:]
    assert content(restored(report.id)) == {f"{relative}/a.csv": "a.csv", f"{relative}/notes.txt": "notes.txt"}


def test_relative_paths_begin_at_the_working_directory(
    data: Path, target: LocalDirectory, restored: Restored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    report = target.backup(Files(["./a.csv"]), name="nightly")
    assert content(restored(report.id)) == {"a.csv": "a.csv"}


def test_a_path_that_is_there_is_no_pattern(data: Path, target: LocalDirectory, restored: Restored) -> None:
    report = target.backup(Files(["[1].csv"], base=data), name="nightly")
    assert content(restored(report.id)) == {"[1].csv": "[1].csv"}


@pytest.mark.parametrize("path", ["gone.csv", "*.gone"])
def test_what_is_missing_fails_or_warns_as_told(data: Path, target: LocalDirectory, path: str) -> None:
    with pytest.raises(SourceFailed, match="no such file"):
        target.backup(Files(["a.csv", path], base=data), name="nightly")
    report = target.backup(Files(["a.csv", path], base=data, missing_ok=True), name="nightly")
    assert report.entries == 1
    assert any(path in warning for warning in report.warnings)


def test_nothing_at_all_is_never_a_success(
    data: Path, target: LocalDirectory, all_archived: Callable[[], list[str]]
) -> None:
    with pytest.raises(SourceFailed, match="none of the files"):
        target.backup(Files(["*.gone"], base=data, missing_ok=True), name="nightly")
    assert all_archived() == []


def test_a_directory_is_no_file(data: Path, target: LocalDirectory) -> None:
    with pytest.raises(SourceFailed, match="is a directory") as failed:
        target.backup(Files(["deep"], base=data), name="nightly")
    assert "Directory(" in failed.value.hint


@pytest.mark.usefixtures("powerless_tar")
def test_an_unreadable_file_is_a_warning(data: Path, target: LocalDirectory) -> None:
    (data / "b.csv").chmod(0)
    report = target.backup(Files(["*.csv"], base=data), name="nightly")
    assert any("b.csv" in warning for warning in report.warnings)


def test_wrong_usage_is_told_at_once(data: Path) -> None:
    for paths in ([], [""], ["/etc/fstab", "relative"], ["../x"], ["."]):
        with pytest.raises(WrongUsage):
            Files(paths)
    with pytest.raises(WrongUsage, match="not below"):
        Files(["/etc/fstab"], base=data)


def test_it_says_what_it_is_about_to_do(data: Path) -> None:
    assert describe_task(Files(["*.csv"], base=data)) == f"the files *.csv below {data}, as files.tar.gz"
