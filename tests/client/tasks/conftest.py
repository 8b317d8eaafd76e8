"""What the tests of tasks share: restoring as a person does, by RESTORE.txt alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from database_servers import Server, mariadb_server, postgresql_server

from thaniya_client import LocalDirectory
from thaniya_core.system.run import run

Restore = Callable[[str], Path]
Follow = Callable[..., str]


@pytest.fixture
def restored(tmp_path: Path, archive_of: Callable[[str], Path]) -> Restore:
    """A function that runs a backup's RESTORE.txt and gives the directory that it has restored into."""

    def restore(backup_id: str) -> Path:
        into = tmp_path / f"restored {backup_id}"
        run(["sh", str(archive_of(backup_id) / "RESTORE.txt"), str(into)], timeout_s=120)
        return into

    return restore


@pytest.fixture
def follow(restored: Restore, target: LocalDirectory, archive_of: Callable[[str], Path]) -> Follow:
    """A function that restores a backup and then runs its recipes, read from RESTORE.txt, in the restored directory.

    `changes` stand for what a person types instead of what is shown: another host, another socket.
    """

    def follow_recipe(backup_id: str, env: Mapping[str, str] | None = None, **changes: str) -> str:
        into = restored(backup_id)
        text = (archive_of(backup_id) / "RESTORE.txt").read_text()
        script = "\n".join(line[6:] for line in text.splitlines() if line.startswith("#     "))
        script = script.partition("sh RESTORE.txt /where/to/restore\n")[2]
        assert script, "RESTORE.txt has no recipe"
        for before, after in changes.items():
            assert before in script
            script = script.replace(before, after)
        run(["sh", "-eu", "-c", script], timeout_s=120, cwd=into, env=env)
        return script

    return follow_recipe


@pytest.fixture
def mariadb() -> Iterator[Server]:
    """A MariaDB of its own."""
    with mariadb_server() as server:
        yield server


@pytest.fixture
def postgresql() -> Iterator[Server]:
    """A PostgreSQL of its own."""
    with postgresql_server() as server:
        yield server
