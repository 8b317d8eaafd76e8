"""A server verifies and restores on trial what real clients have packed: odd names, links, modes, holes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Directory, LocalDirectory
from thaniya_core.initialise import initialise
from thaniya_core.model import Backup
from thaniya_core.server import Server
from thaniya_core.system.privileges import call_as


@pytest.fixture
def server(target: LocalDirectory, tmp_path: Path) -> Server:
    return initialise(tmp_path / "server", "test", slots=1, volume=target.path)


@pytest.fixture
def archived(server: Server, target: LocalDirectory) -> Callable[..., Backup]:
    """Packs directories as a client does; gives the backup as a server that took the disk up knows it."""

    def make(*directories: Path, **options: object) -> Backup:
        report = target.backup(*(Directory(directory, **options) for directory in directories), name="nightly")
        server.catalog.rebuild()
        return server.catalog.get(report.id)

    return make


def _verify(server: Server, backup: Backup, trial: Path | None = None) -> str:
    return server.backups.verify(backup, "test", trial=trial).broken


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "xz", "none"])
def test_backup_of_an_odd_tree_is_good_and_its_trial_too(
    server: Server, archived: Callable[..., Backup], odd_tree: Path, tmp_path: Path, compression: str
) -> None:
    backup = archived(odd_tree, compression=compression)

    assert _verify(server, backup, tmp_path / "scratch") == ""
    assert list((tmp_path / "scratch").glob("thaniya*")) == []


@pytest.mark.usefixtures("no_gnu_tar")
def test_list_that_was_made_without_gnu_tar_agrees(
    server: Server, archived: Callable[..., Backup], odd_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = archived(odd_tree)
    monkeypatch.setenv("PATH", os.environ["PATH"].partition(":")[2])

    assert _verify(server, backup, tmp_path / "scratch") == ""


def test_several_archives_are_compared_in_their_own_directories(
    server: Server, archived: Callable[..., Backup], odd_tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_bytes(b"hosts")

    assert _verify(server, archived(odd_tree, tmp_path / "etc"), tmp_path / "scratch") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_trial_without_the_rights_of_root_holds_nothing_against_the_backup(
    server: Server, archived: Callable[..., Backup], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "shut/below").mkdir(parents=True)
    (source / "shut/below/file").write_bytes(b"data")
    (source / "shut/below").chmod(0)
    (source / "foreign").write_bytes(b"data")
    os.chown(source / "foreign", 12345, 12345)
    os.mknod(source / "null", 0o020666, os.makedev(1, 3))
    backup = archived(source)
    directory = server.catalog.directory(backup)
    chain = server.backups.chain(backup)
    for path in [*tmp_path.parents][:-2]:
        path.chmod(path.stat().st_mode | 0o055)
    for path in [tmp_path, *directory.parents, *directory.rglob("*"), directory]:
        if path.is_relative_to(tmp_path):
            path.chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o777)

    def restore() -> str:
        from thaniya_core.archive.trial import try_restore

        return "; ".join(try_restore(chain, scratch, 0))

    assert call_as("nobody", restore) == ""
    assert list(scratch.glob("thaniya*")) == []
