"""A past that is written at once is read as one that was added bit by bit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from thaniya_core.model import Event, Job, JobKind, JobState, Upload, UploadState
from thaniya_core.store import TinyStore
from thaniya_core.store.filling import fill_history, fill_log

BEGIN = datetime(2026, 10, 30, 12, tzinfo=UTC)
MOMENTS = [BEGIN + timedelta(days=day) for day in range(5)]


def test_what_is_filled_in_is_what_adding_makes(tmp_path: Path) -> None:
    ids = {f"20261030T12000{day}Z-00000{day}": at for day, at in enumerate(MOMENTS)}
    ended = [
        Upload(each, "alice", "web1", "site", "thaniya_01", at, at, UploadState.ARCHIVED, ended_at=at)
        for each, at in ids.items()
    ]
    jobs = [Job(each, JobKind.ARCHIVE, each, at, at, JobState.DONE, ended_at=at) for each, at in ids.items()]
    events = [Event(at, "service", "upload.archived", each) for each, at in ids.items()]

    fill_history(tmp_path / "filled", reversed(ended), jobs)
    fill_log(tmp_path / "filled", reversed(events))
    added = TinyStore(tmp_path / "added")
    for record in (*ended, *jobs):
        added.add_history(record)
    for event in events:
        added.add_event(event)

    filled = TinyStore(tmp_path / "filled")
    assert list(filled.read_upload_history()) == list(added.read_upload_history())
    assert list(filled.read_job_history()) == list(added.read_job_history())
    assert list(filled.read_events()) == events
    assert _files(tmp_path / "filled") == _files(tmp_path / "added")


def _files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*.json*")
        if path.suffix != ".previous"
    }
