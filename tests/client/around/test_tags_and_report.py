"""Tags find a backup again; the report is JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_client import Directory, IllegalName, LocalDirectory, WrongUsage
from thaniya_core.initialise import initialise


def test_tags_lie_beside_the_backup_and_are_listed(
    target: LocalDirectory, source: Directory, archive_of: Callable[[str], Path]
) -> None:
    report = target.backup(source, name="nightly", tags=["v2", "before-upgrade", "v2"])
    plain = target.backup(source, name="nightly")
    notes = json.loads((archive_of(report.id) / "backup.notes.json").read_text())
    assert notes == {"tags": ["before-upgrade", "v2"]}
    assert not (archive_of(plain.id) / "backup.notes.json").exists()
    assert {backup.id: backup.tags for backup in target.backups()} == {
        report.id: ("before-upgrade", "v2"),
        plain.id: (),
    }
    assert "notes" not in (archive_of(report.id) / "SHA256SUMS").read_text()


def test_a_server_that_takes_the_directory_up_knows_the_tags_and_can_change_them(
    target: LocalDirectory, source: Directory, tmp_path: Path
) -> None:
    report = target.backup(source, name="nightly", tags=["v2"])
    server = initialise(tmp_path / "server", "test", volume=target.path)
    server.catalog.rebuild()
    backup = server.catalog.get(report.id)
    assert backup.notes.tags == ("v2",)
    server.backups.tag(backup, ["v3"], ["v2"], "admin")
    assert [backup.tags for backup in target.backups()] == [("v3",)]


@pytest.mark.parametrize("tags", [["two words"], ["-x"], [""], [f"tag{number}" for number in range(51)]])
def test_illegal_tags_are_refused_before_anything_begins(
    target: LocalDirectory, source: Directory, tags: list[str]
) -> None:
    with pytest.raises((IllegalName, WrongUsage)):
        target.backup(source, name="nightly", tags=tags)
    assert list(target.backups()) == []


def test_the_report_is_json_for_programs(target: LocalDirectory, source: Directory) -> None:
    report = target.backup(source, name="nightly", host="web1", tags=["v2"], after=[["false"]])
    told = json.loads(report.to_json())
    assert (told["id"], told["state"], told["tags"]) == (report.id, "archived", ["v2"])
    assert told["series"] == {"user": "alice", "host": "web1", "name": "nightly"}
    assert {file["name"] for file in told["files"]} == {"source.tar.gz", "source.files.gz", "client.log"}
    assert (told["warning_count"], len(told["warnings"]), told["tries"]) == (1, 1, 1)
