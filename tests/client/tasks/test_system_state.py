"""What is collected of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import LocalDirectory, SourceFailed, SystemState
from thaniya_core.system.run import run

Restored = Callable[[str], Path]


def test_what_this_machine_has_is_there_and_what_it_has_not_is_told(target: LocalDirectory, restored: Restored) -> None:
    report = target.backup(SystemState(), name="nightly")
    into = restored(report.id)
    release = run(["uname", "-r"], timeout_s=30).stdout.decode().strip()
    assert release in (into / "uname.txt").read_text()
    assert (into / "files/proc/mounts").read_text()
    assert (into / "files/etc/passwd").read_bytes() == Path("/etc/passwd").read_bytes()
    left_out = (into / "left-out.txt").read_text()
    for line in left_out.splitlines():
        assert not (into / line.partition(":")[0]).exists()
    assert "the program" in left_out
    assert not (into / "files/etc/shadow").exists()
    listed = {entry.path.decode() for entry in target.files(report.id)}
    assert listed == {f"./{path.relative_to(into)}" for path in into.rglob("*") if path.is_file()}
    assert report.warning_count == 0
    assert report.entries == len(listed)


def test_it_is_restored_by_the_library_too(target: LocalDirectory, tmp_path: Path) -> None:
    report = target.backup(SystemState(), name="nightly")
    target.restore(report.id, into=tmp_path / "restored", paths=["uname.txt"])
    assert [path.name for path in (tmp_path / "restored").iterdir()] == ["uname.txt"]


def test_nothing_at_all_is_never_a_success(
    target: LocalDirectory, monkeypatch: pytest.MonkeyPatch, all_archived: Callable[[], list[str]]
) -> None:
    for table in ("COMMANDS", "DISK_COMMANDS", "FILES"):
        monkeypatch.setattr(f"thaniya_client.tasks.system_state.{table}", ())
    with pytest.raises(SourceFailed, match="nothing of this machine"):
        target.backup(SystemState(), name="nightly")
    assert all_archived() == []
