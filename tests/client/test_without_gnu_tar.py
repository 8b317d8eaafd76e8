"""Where tar is not GNU, Python's tarfile does the same work."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Directory, LocalDirectory, Progress
from thaniya_client.tasks.patterns import PathMatcher
from thaniya_core.errors import SourceFailed

Snapshot = dict[bytes, tuple[object, ...]]


def assert_same_but_for_rounding(one: Snapshot, other: Snapshot) -> None:
    """tarfile sets times as floats, and none on symbolic links."""
    assert {path: facts[:3] + facts[4:] for path, facts in one.items()} == {
        path: facts[:3] + facts[4:] for path, facts in other.items()
    }
    for path, facts in one.items():
        difference_us = int(str(facts[3])) - int(str(other[path][3]))
        assert abs(difference_us) <= 1 or stat.S_ISLNK(int(str(facts[0])))


def test_both_ways_restore_what_either_packed(
    target: LocalDirectory,
    odd_tree: Path,
    tmp_path: Path,
    snapshot: Callable[[Path], Snapshot],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    with_tar = target.backup(Directory(odd_tree), name="nightly")
    with monkeypatch.context():
        request.getfixturevalue("no_gnu_tar")
        with_python = target.backup(Directory(odd_tree), name="nightly")
        target.restore(with_tar.id, into=tmp_path / "tar to python")
        target.restore(with_python.id, into=tmp_path / "python to python")
    monkeypatch.undo()
    target.restore(with_python.id, into=tmp_path / "python to tar")

    expected = snapshot(odd_tree)
    assert with_python.entries == with_tar.entries
    assert_same_but_for_rounding(snapshot(tmp_path / "tar to python"), expected)
    assert_same_but_for_rounding(snapshot(tmp_path / "python to python"), expected)
    assert snapshot(tmp_path / "python to tar") == expected


def test_contents_lists_are_the_same(target: LocalDirectory, odd_tree: Path, request: pytest.FixtureRequest) -> None:
    with_tar = target.backup(Directory(odd_tree), name="nightly")
    request.getfixturevalue("no_gnu_tar")
    with_python = target.backup(Directory(odd_tree), name="nightly")

    one = {entry.path: entry for entry in target.files(with_tar.id) if entry.mode[0] not in "h-"}
    other = {entry.path: entry for entry in target.files(with_python.id) if entry.mode[0] not in "h-"}
    assert one == other  # which of several hard links comes first is the directory's order
    assert {entry.path for entry in target.files(with_tar.id)} == {entry.path for entry in target.files(with_python.id)}


@pytest.mark.usefixtures("no_gnu_tar")
def test_some_paths_are_restored(target: LocalDirectory, odd_tree: Path, tmp_path: Path) -> None:
    report = target.backup(Directory(odd_tree), name="nightly")
    target.restore(report.id, into=tmp_path / "part", paths=["./dir---help", "-leading-dash"])
    assert sorted(path.name for path in (tmp_path / "part").iterdir()) == ["-leading-dash", "dir---help"]


@pytest.mark.usefixtures("no_gnu_tar")
def test_vanished_file_is_a_warning(target: LocalDirectory, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for index in range(20):
        (tmp_path / f"source/{index}").write_bytes(b"x" * 1_000_000)

    def remove_everything(progress: Progress) -> None:
        if progress.read_bytes:
            for path in (tmp_path / "source").iterdir():
                path.unlink()

    report = target.backup(Directory(tmp_path / "source"), name="nightly", on_progress=remove_everything)

    assert report.warning_count >= 10
    target.restore(report.id, into=tmp_path / "restored")


@pytest.mark.usefixtures("no_gnu_tar")
def test_attributes_are_refused(target: LocalDirectory, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(SourceFailed, match="need GNU tar"):
        target.backup(Directory(tmp_path / "source", acls=True), name="nightly")


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.pyc", b"a/b/c.pyc", True),
        ("*.pyc", b"a/b/c.py", False),
        ("cache", b"a/cache", True),
        ("cache", b"a/cachefile", False),
        ("/cache", b"cache", True),
        ("/cache", b"a/cache", False),
        ("a/*.o", b"a/x.o", True),
        ("a/*.o", b"a/b/x.o", False),
        ("a?c", b"abc", True),
        ("a?c", "aüc".encode(), True),
        ("[ab]c", b"bc", True),
        ("[!ab]c", b"bc", False),
        ("[]x]", b"]", True),
        (r"\*", b"*", True),
        (r"\*", b"x", False),
        ("dir/", b"x/dir", True),
        ("*", b"new\nline", True),
    ],
)
def test_patterns_mean_what_they_mean_to_tar(
    target: LocalDirectory, tmp_path: Path, pattern: str, path: bytes, expected: bool
) -> None:
    file = tmp_path / "source" / path.decode()
    file.parent.mkdir(parents=True)
    file.touch()

    report = target.backup(Directory(tmp_path / "source", exclude=[pattern]), name="nightly")

    assert PathMatcher([pattern]).matches(path) is expected
    assert (b"./" + path not in {entry.path for entry in target.files(report.id)}) is expected
