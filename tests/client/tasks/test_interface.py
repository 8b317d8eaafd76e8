"""What the driver asks of a task, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thaniya_client import LocalDirectory, Packer, SourceFailed, Tool
from thaniya_client.tasks.tools import find_tool


class Slow:
    """A task with all that a task may have."""

    def __init__(self, incoming: Callable[[], list[Path]], fails: bool = False) -> None:
        self.steps: list[str] = []
        self._incoming = incoming
        self._fails = fails

    def describe(self) -> str:
        return "something slow"

    def tools(self) -> list[Tool]:
        self.steps.append("tools")
        return [Tool("sh")]

    @contextmanager
    def prepare(self) -> Iterator[None]:
        self.steps.append(f"prepared with {len(self._incoming())} uploads open")
        try:
            yield
        finally:
            self.steps.append(f"done with {len(self._incoming())} uploads open")

    def estimate_bytes(self) -> int | None:
        self.steps.append("estimated")
        return 1000

    def pack(self, out: Packer) -> None:
        self.steps.append(f"packed with {len(self._incoming())} uploads open")
        if self._fails:
            raise SourceFailed("no")
        with out.open("file") as file:
            file.write(b"data")


EXPECTED = ["tools", "prepared with 0 uploads open", "estimated", "packed with 1 uploads open"]


def test_what_takes_long_is_done_before_an_upload_is_open(
    target: LocalDirectory, incoming: Callable[[], list[Path]], archive_of: Callable[[str], Path]
) -> None:
    task = Slow(incoming)
    report = target.backup(task, name="nightly")
    assert task.steps == [*EXPECTED, "done with 0 uploads open"]
    assert "packing something slow" in (archive_of(report.id) / "client.log").read_text()


def test_what_was_prepared_is_taken_back_when_the_backup_fails(
    target: LocalDirectory, incoming: Callable[[], list[Path]]
) -> None:
    task = Slow(incoming, fails=True)
    with pytest.raises(SourceFailed):
        target.backup(task, name="nightly")
    assert task.steps == [*EXPECTED, "done with 0 uploads open"]


def test_programs_are_not_looked_for_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dump").write_text("#!/bin/sh\n")
    (tmp_path / "dump").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for path in ("", ":/usr/bin", "/usr/bin::"):
        monkeypatch.setenv("PATH", path)
        with pytest.raises(SourceFailed, match="dump is not there"):
            find_tool(Tool("dump"))
    assert find_tool(Tool(str(tmp_path / "dump"))) == str(tmp_path / "dump")
