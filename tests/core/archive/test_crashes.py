"""A process that dies at any change of the file system: the next start carries on, and all ends as without it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from thaniya_core.model import Backup, Upload, UploadState
from thaniya_core.server import Server
from thaniya_core.system.run import run
from thaniya_core.testing import FixedClock

SCRIPT = Path(__file__).parent.parent / "crash_points.py"
LEAST_POINTS = 10


@pytest.fixture
def end_states(root: Path) -> Callable[[str, str], list[dict[str, object]]]:
    """How the server looks after a crash at each point, each once."""

    def crash_everywhere(scenario: str, word: str) -> list[dict[str, object]]:
        done = run([sys.executable, str(SCRIPT), str(root / "thaniya.toml"), scenario, word], timeout_s=240)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(lines) > LEAST_POINTS
        distinct: dict[str, dict[str, object]] = {}
        for line in reversed(lines):
            point = line.pop("point")
            distinct.setdefault(json.dumps(line), line | {"points": []})["points"].append(point)
        return list(distinct.values())

    return crash_everywhere


def test_upload_ends_as_one_backup_wherever_its_server_dies(
    server: Server,
    open_upload: Callable[..., Upload],
    put_file: Callable[..., Path],
    make_tar: Callable[..., bytes],
    end_states: Callable[..., list[dict[str, object]]],
) -> None:
    upload = open_upload()
    put_file(upload, "home.tar.gz", make_tar(notes=b"some notes"))
    put_file(upload, "client.log", b"done")

    (state,) = end_states("complete", upload.id)

    assert state["backups"] == [upload.id]
    assert state["damage"] == [""]
    assert state["rebuilt"] == 0
    assert state["uploads"] == state["jobs"] == state["spool"] == state["half_done"] == state["in_slots"] == []
    assert state["ended"] == [[upload.id, "archived", ""]]
    assert state["slots"] == [["thaniya_01", "ready", None], ["thaniya_02", "ready", None]]
    assert state["stored"] == ["RESTORE.txt", "SHA256SUMS", "backup.json", "client.log", "home.tar.gz"]


def test_upload_that_is_compressed_and_shared_ends_as_one_backup_wherever_its_server_dies(
    server: Server,
    root: Path,
    archived: Callable[..., Backup],
    open_upload: Callable[..., Upload],
    put_file: Callable[..., Path],
    end_states: Callable[..., list[dict[str, object]]],
) -> None:
    first = archived(photos__bin=b"the same in both" * 99, old__sql=b"select 1;" * 999)
    config = root / "thaniya.toml"
    config.write_text(config.read_text() + '\n[compression]\n"*.sql" = { format = "xz", level = 0, threads = 1 }\n')
    upload = open_upload()
    put_file(upload, "photos.bin", b"the same in both" * 99)
    put_file(upload, "dump.sql", b"select 2;" * 999)
    put_file(upload, "noise.sql", os.urandom(999))

    (state,) = end_states("complete", upload.id)

    assert sorted(state["backups"]) == sorted([first.id, upload.id])
    assert state["damage"] == ["", ""]
    assert state["rebuilt"] == 0
    assert state["uploads"] == state["jobs"] == state["spool"] == state["half_done"] == state["in_slots"] == []
    documents = ["RESTORE.txt", "SHA256SUMS", "backup.json"]
    names = [*documents, "old.sql", "photos.bin", *documents, "dump.sql.xz", "noise.sql", "photos.bin"]
    assert state["stored"] == sorted(names)
    assert state["names"] == 2


def test_upload_with_a_link_is_rejected_wherever_its_server_dies(
    server: Server,
    open_upload: Callable[..., Upload],
    put_file: Callable[..., Path],
    end_states: Callable[..., list[dict[str, object]]],
) -> None:
    upload = open_upload()
    put_file(upload, "notes.txt", b"some notes").with_name("link").symlink_to("/etc/passwd")

    (state,) = end_states("complete", upload.id)

    assert [ended[:2] for ended in state["ended"]] == [[upload.id, "rejected"]]
    assert state["backups"] == state["uploads"] == state["jobs"] == state["spool"] == state["in_slots"] == []
    assert state["slots"] == [["thaniya_01", "ready", None], ["thaniya_02", "ready", None]]


def test_aborted_upload_leaves_nothing_wherever_its_server_dies(
    open_upload: Callable[..., Upload],
    put_file: Callable[..., Path],
    end_states: Callable[..., list[dict[str, object]]],
) -> None:
    upload = open_upload()
    put_file(upload, "notes.txt", b"some notes")

    (state,) = end_states("abort", upload.id)

    assert state["ended"] == [[upload.id, "aborted", "not wanted"]]
    assert state["backups"] == state["uploads"] == state["jobs"] == state["spool"] == state["in_slots"] == []


def test_removed_backup_is_gone_wherever_the_removal_dies(
    archived: Callable[..., Backup], end_states: Callable[..., list[dict[str, object]]]
) -> None:
    backup = archived(notes__txt=b"some notes", more__txt=b"more")

    (state,) = end_states("remove", backup.id)

    assert state["backups"] == state["half_done"] == state["stored"] == []
    assert state["rebuilt"] == 0


def test_pruned_series_ends_the_same_wherever_the_removal_dies(
    archived: Callable[..., Backup], end_states: Callable[..., list[dict[str, object]]], clock: FixedClock
) -> None:
    made = []
    for _ in range(4):
        made.append(archived().id)
        clock.advance(86400)

    (state,) = end_states("prune", "keep-last=2")

    assert state["backups"] == made[:1:-1]
    assert state["half_done"] == []
    assert state["damage"] == ["", ""]
    assert state["rebuilt"] == 0


def test_promised_file_that_is_missing_rejects_the_upload_wherever_the_job_dies(
    spooled: Callable[..., Upload],
    manifest_of: Callable[..., object],
    end_states: Callable[..., list[dict[str, object]]],
) -> None:
    upload = spooled(manifest_of(notes__txt=b"some notes", more__txt=b"more"), notes__txt=b"some notes")
    assert upload.state is UploadState.SPOOLED

    (state,) = end_states("carry-on", "")

    assert state["ended"] == [[upload.id, "rejected", "more.txt was promised and is not there"]]
    assert state["backups"] == state["stored"] == state["half_done"] == state["spool"] == state["jobs"] == []
