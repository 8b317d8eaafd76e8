"""Git repositories as bundles, with the real git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import GitRepository, LocalDirectory, SourceFailed, WrongUsage
from thaniya_core.system.run import run

Follow = Callable[..., str]


def git(where: Path, *arguments: str) -> str:
    argv = ["git", "-C", str(where), "-c", "user.name=Alice", "-c", "user.email=alice@example.org", *arguments]
    return run(argv, timeout_s=60).stdout.decode()


def refs(repository: Path) -> list[str]:
    shown = git(repository, "for-each-ref", "--format=%(objectname) %(refname)")
    return sorted(line for line in shown.splitlines() if "refs/remotes/" not in line)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two branches, tags, a note and something that is not committed."""
    path = tmp_path / "shop"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    for number in range(3):
        (path / "file.txt").write_text(f"version {number}\n")
        git(path, "add", "file.txt")
        git(path, "commit", "--quiet", "-m", f"commit {number}")
    git(path, "branch", "side", "HEAD~1")
    git(path, "tag", "-a", "v1", "-m", "first", "HEAD~2")
    git(path, "tag", "light")
    git(path, "notes", "add", "-m", "a note")
    (path / "file.txt").write_text("not committed\n")
    return path


def test_all_refs_come_back_by_the_recipe(
    repository: Path, target: LocalDirectory, follow: Follow, tmp_path: Path
) -> None:
    report = target.backup(GitRepository(repository), name="nightly")
    follow(report.id)
    assert refs(tmp_path / f"restored {report.id}/shop.git") == refs(repository)
    assert [file.name for file in report.files] == ["shop.bundle", "client.log"]


def test_a_remote_repository_is_mirrored_first(
    repository: Path, target: LocalDirectory, follow: Follow, tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    task = GitRepository(f"file://{repository}", scratch=tmp_path / "scratch")
    report = target.backup(task, name="nightly")
    follow(report.id)
    assert refs(tmp_path / f"restored {report.id}/shop.git") == refs(repository)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_estimate_is_not_too_small(repository: Path, target: LocalDirectory) -> None:
    git(repository, "gc", "--quiet")
    task = GitRepository(repository)
    report = target.backup(task, name="nightly")
    assert (task.estimate_bytes() or 0) >= (report.files[0].size_bytes or 0)


def test_what_cannot_be_bundled_fails_the_backup(
    repository: Path, target: LocalDirectory, tmp_path: Path, all_archived: Callable[[], list[str]]
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceFailed, match="not a git repository"):
        target.backup(GitRepository(tmp_path / "empty"), name="nightly")
    git(tmp_path / "empty", "init", "--quiet")
    with pytest.raises(SourceFailed, match="empty bundle"):
        target.backup(GitRepository(tmp_path / "empty"), name="nightly")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")
    with pytest.raises(SourceFailed, match="shallow clone"):
        target.backup(GitRepository(tmp_path / "shallow"), name="nightly")
    with pytest.raises(SourceFailed, match="does not appear to be a git repository"):
        target.backup(GitRepository(f"file://{tmp_path}/gone"), name="nightly")
    assert all_archived() == []


def test_large_files_elsewhere_are_a_warning(repository: Path, target: LocalDirectory) -> None:
    (repository / ".git/lfs/objects").mkdir(parents=True)
    report = target.backup(GitRepository(repository), name="nightly")
    assert any("git-lfs" in warning for warning in report.warnings)


def test_a_password_in_the_address_is_refused() -> None:
    with pytest.raises(WrongUsage, match="password") as refused:
        GitRepository("https://alice:secret@example.org/shop.git")
    assert "secret" not in str(refused.value)
    assert GitRepository("alice@example.org:shop.git").is_remote
    assert GitRepository("https://example.org/shop.git").name == "shop"
