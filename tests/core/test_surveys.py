"""Surveys of a real server: kept, made here, and made by a process of its own."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.errors import CommandFailed, StateUnreadable
from thaniya_core.model import UploadState
from thaniya_core.monitor import keep_survey

DEADLINE_S = 120


def test_survey_is_made_together_with_the_check(server, archived, open_upload):
    backup = archived()
    aborted = server.abort_upload(open_upload().id, "no more", "login:test")
    report, survey = server.monitoring.survey()
    alone = server.monitoring.check()
    assert (report.findings, report.series) == (alone.findings, alone.series)
    (series,) = survey.series
    assert (series.series, series.backups, series.last_at) == (backup.series, 1, backup.document.created_at)
    assert series.days[-1] == "done"
    (volume,) = survey.volumes
    assert (volume.label, volume.backups, volume.stored_bytes) == ("first", 1, backup.document.stored_bytes)
    assert volume.total_bytes > volume.free_bytes > 0
    assert {upload.id: upload.state for upload in survey.ended} == {
        backup.id: UploadState.ARCHIVED,
        aborted.id: UploadState.ABORTED,
    }


def test_one_pass_serves_both(server, archived, monkeypatch):
    archived()
    real, read = server.store.read_catalog, []
    monkeypatch.setattr(server.store, "read_catalog", lambda series: read.append(series) or real(series))
    server.monitoring.survey()
    assert len(read) == 1


def test_latest_is_the_one_that_was_kept(server, clock):
    assert server.surveys.latest() is None
    server.monitoring.tell()
    first = server.surveys.latest()
    assert first.series == server.surveys.make().series
    assert server.surveys.latest() is first
    clock.advance(60)
    server.monitoring.tell()
    assert server.surveys.latest().made_at == clock.now()
    server.monitoring.survey_file.write_text("{")
    assert server.surveys.latest() is None
    server.monitoring.survey_file.unlink()
    assert server.surveys.latest() is None


def test_another_process_makes_the_same(server, archived, monkeypatch, tmp_path):
    archived()
    begun = datetime.now(UTC)
    (tmp_path / "thaniya_core.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    priority = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    survey = server.surveys.make_elsewhere(DEADLINE_S)
    assert begun <= survey.made_at <= datetime.now(UTC)
    here = server.surveys.make()
    assert (survey.users, survey.ended) == (here.users, here.ended)
    assert [replace(series, days=()) for series in survey.series] == [
        replace(series, days=()) for series in here.series
    ]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == priority


def test_what_goes_wrong_elsewhere_is_told(server, root):
    (root / "state" / "state.json").write_text("{")
    with pytest.raises(CommandFailed, match=r"no survey could be made: .*state\.json"):
        server.surveys.make_elsewhere(DEADLINE_S)
    with pytest.raises(StateUnreadable):
        server.surveys.make()
    with pytest.raises(CommandFailed, match=r"did not end within 0\.01 s"):
        server.surveys.make_elsewhere(0.01)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo trouble ahead >&2; exit 3", "exit code 3: trouble ahead"),
        ("exit 1", "ended with exit code 1"),
        ("echo '{}'", "printed no survey"),
        ("kill -9 $$", "exit code -9"),
    ],
)
def test_program_that_is_no_thaniya_is_told(server, tmp_path, monkeypatch, script, told):
    program = Path(tmp_path / "python")
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(CommandFailed, match=told):
        server.surveys.make_elsewhere(DEADLINE_S)


def test_kept_survey_is_replaced_as_a_whole(server, in_threads):
    """Who reads it meanwhile finds the old one or the new one."""
    survey = server.surveys.make()
    file = server.monitoring.survey_file
    keep_survey(file, survey)

    def write() -> None:
        for number in range(50):
            keep_survey(file, replace(survey, verdict="x" * number * 100))

    def read() -> list[bool]:
        return [server.surveys.latest() is not None for _ in range(200)]

    _, seen = in_threads(write, read)
    assert all(seen)
