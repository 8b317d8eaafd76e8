"""The demo's past: catalog, disk, history and log agree, and everything can be verified and restored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from thaniya_core.cli.demo.past import make_past
from thaniya_core.model import JobState, UploadState
from thaniya_core.server import Server, open_server
from thaniya_core.testing import FixedClock

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_past(tmp_path_factory.mktemp("past"), NOW)


@pytest.fixture
def past(config_file: Path) -> Server:
    return open_server(config_file, FixedClock(NOW))


def test_catalog_is_what_lies_on_the_volumes(past: Server) -> None:
    before = past.catalog.find()
    report = past.catalog.rebuild()
    assert (report.found, report.added, report.removed, report.unreadable) == (len(before), 0, 0, ())
    assert past.catalog.find() == before


def test_each_backup_is_good_but_the_broken_one(past: Server) -> None:
    known = [backup.id for backup in past.catalog.find() if backup.broken]
    newest = [past.catalog.of_series(series)[0] for series in past.store.catalog_series()]
    pinned = [backup for backup in past.catalog.find() if backup.notes.pinned]
    found = [past.backups.verify(backup, "login:test") for backup in [*newest, *pinned, past.catalog.get(known[0])]]
    assert [backup.id for backup in found if backup.broken] == known
    assert len(pinned) == 3


def test_backup_of_files_and_of_a_database_are_restored(past: Server, tmp_path: Path) -> None:
    for series, restored in (("alice/web1/site", "srv/www/articles/page-001.html"), ("alice/db1/shop", "shop.sql.bz2")):
        newest = past.catalog.find(*series.split("/"))[0]
        target = tmp_path / newest.series.name
        past.backups.restore(newest, target, [], False, "login:test")
        assert (target / restored).stat().st_size > 0


def test_what_is_wrong_is_what_was_meant(past: Server) -> None:
    found = {
        (finding.code, finding.subject.rpartition("/")[0] or finding.subject)
        for finding in past.monitoring.check().findings
    }
    assert ("series_late", "bob/laptop") in found
    assert ("backup_broken", "alice/web2") in found
    assert ("backup_empty", "carol/db1") in found
    assert [subject for code, subject in found if code == "series_late"] == ["bob/laptop"]


def test_history_tells_how_uploads_ended(past: Server) -> None:
    ended = list(past.store.read_upload_history())
    states = {upload.state for upload in ended}
    assert states == {UploadState.ARCHIVED, UploadState.REJECTED, UploadState.EXPIRED, UploadState.ABORTED}
    assert all(upload.reason for upload in ended if upload.state is not UploadState.ARCHIVED)
    archived = {upload.id for upload in ended if upload.state is UploadState.ARCHIVED}
    assert {backup.id for backup in past.catalog.find()} <= archived


def test_log_tells_of_each_backup_and_of_each_that_was_removed(past: Server) -> None:
    events = list(past.events())
    assert events == sorted(events, key=lambda event: event.at)
    assert max(event.at for event in events) <= NOW
    came = {event.subject for event in events if event.action == "upload.archived"}
    gone = {event.subject.rpartition("/")[2] for event in events if event.action == "backup.remove"}
    assert came - gone == {backup.id for backup in past.catalog.find()}


def test_given_up_job_can_be_retried(tmp_path: Path) -> None:
    server = open_server(make_past(tmp_path, NOW), FixedClock(NOW))
    [job] = server.jobs.waiting()
    assert job.state is JobState.FAILED
    server.retry_job(job.id, "login:test")
    assert server.worker.run_due()
    assert server.worker.drain(30)
    assert server.catalog.get(job.subject).series.name == "photos"


def test_past_is_the_same_for_the_same_time(tmp_path: Path) -> None:
    assert _content(make_past(tmp_path / "one", NOW).parent) == _content(make_past(tmp_path / "other", NOW).parent)


@pytest.mark.parametrize(
    "now", [datetime(2027, 1, 1, 0, 0, 30, tzinfo=UTC), datetime(2028, 2, 29, 5, 30, tzinfo=UTC)], ids=str
)
def test_past_of_any_time_is_whole(tmp_path: Path, now: datetime) -> None:
    server = open_server(make_past(tmp_path, now), FixedClock(now))
    assert server.catalog.rebuild().unreadable == ()
    assert max(event.at for event in server.events()) <= now
    late = [finding.subject for finding in server.monitoring.check().findings if finding.code == "series_late"]
    assert late == ["bob/laptop/home"]


def _content(directory: Path) -> dict[str, bytes | int]:
    """What is below a directory; of the archives their sizes, since their sums stand in the documents."""
    return dict(_each(directory))


def _each(directory: Path) -> Iterator[tuple[str, bytes | int]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.name.endswith((".lock", ".previous")):
            is_archive = path.suffix in (".tar", ".bz2")
            content = path.stat().st_size if is_archive else path.read_bytes()
            data = content if isinstance(content, int) else content.replace(str(directory).encode(), b"")
            yield str(path.relative_to(directory)), data
