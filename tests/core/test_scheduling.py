"""What the schedule does on a real server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from thaniya_core.formats.names import make_id
from thaniya_core.jobs import Schedule, Task, TaskState
from thaniya_core.model import Event, Upload, UploadState
from thaniya_core.retention import parse_policy
from thaniya_core.scheduling import apply_retention, verify_due
from thaniya_core.server import Server, open_server
from thaniya_core.system.throttle import Stopped
from thaniya_core.tick import run_pass, run_schedule


@pytest.fixture
def configure(root, clock):
    """Opens the server with more in its configuration."""

    def configure(text: str) -> Server:
        file = root / "thaniya.toml"
        file.write_text(f"{file.read_text()}\n{text}")
        return open_server(file, clock)

    return configure


def shown(server):
    return {task.name: task for task in server.schedule.show()}


def test_new_server_looks_at_its_volumes_checks_and_verifies(server):
    assert run_schedule(server) == 4
    states = {name: (task.state, task.why_off) for name, task in shown(server).items()}
    assert states == {
        "volumes": (TaskState.WAITING, ""),
        "health": (TaskState.WAITING, ""),
        "metrics": (TaskState.OFF, "[metrics] names no textfile"),
        "retention": (TaskState.OFF, "no policy is set (thaniya retention set)"),
        "verify": (TaskState.WAITING, ""),
        "history": (TaskState.WAITING, ""),
    }
    assert run_schedule(server) == 0


def test_policies_are_applied_once_a_day_and_series_without_one_are_kept(server, archived, clock, open_upload):
    for _ in range(3):
        archived()
        clock.advance(86400)
    server.retention_settings.set("bob", parse_policy("keep-last=1"), "login:test")
    run_schedule(server)
    assert len(server.catalog.find()) == 3
    server.retention_settings.set("alice", parse_policy("keep-last=1"), "login:test")
    clock.advance(86400)
    run_schedule(server)
    assert len(server.catalog.find()) == 1
    assert shown(server)["retention"].last.detail.startswith("1 series, 2 backups removed, ")
    assert [event.actor for event in server.events() if event.action == "backup.remove"] == ["service"] * 2
    archived()
    run_schedule(server)
    assert len(server.catalog.find()) == 2  # not before tomorrow
    clock.advance(86400)
    run_schedule(server)
    assert len(server.catalog.find()) == 1


def test_series_whose_retention_fails_is_named_checked_and_stops_nothing(server, archived, clock, volume):
    backup = archived()
    place = volume / "archive/alice/web1/nightly"
    server.retention_settings.set("default", parse_policy("keep-last=1"), "login:test")
    (place / "20200101T000000Z-000000").mkdir()  # catalog and volume disagree
    run_schedule(server)
    failure = shown(server)["retention"].failure
    assert failure.startswith("1 of 1 series failed, alice/web1/nightly: ")
    found = {finding.code: finding for finding in server.monitoring.check().findings}
    assert (found["schedule_failed"].subject, failure in found["schedule_failed"].text) == ("retention", True)
    assert 'schedule_last_run_failed{name="retention"} 1' in server.monitoring.metrics(server.monitoring.check())
    assert shown(server)["verify"].last.ran_at == clock.now()
    (place / "20200101T000000Z-000000").rmdir()
    clock.advance(3600)
    run_schedule(server)
    assert shown(server)["retention"].failure == ""
    assert "schedule_failed" not in {finding.code for finding in server.monitoring.check().findings}
    assert server.catalog.find() == [backup]


def test_backups_are_read_again_in_their_time_and_damage_is_no_failure_of_the_schedule(server, archived, clock, volume):
    backup = archived()
    clock.advance(29.5 * 86400)
    (file,) = (volume / "archive").rglob("notes.txt")
    file.chmod(0o640)
    file.write_bytes(b"other note")
    run_schedule(server)
    assert server.catalog.get(backup.id).broken
    verify = shown(server)["verify"]
    assert (verify.failure, verify.last.detail) == ("", "1 backups read, 1 broken")


def test_work_that_is_asked_to_stop_does_so(server, archived, clock):
    backup = archived()
    clock.advance(29.5 * 86400)
    with pytest.raises(Stopped):
        verify_due(server.verification, timedelta(days=1), lambda: True)
    assert server.catalog.get(backup.id).verified_at is None
    with pytest.raises(Stopped):
        apply_retention(server.store, server.retention_settings, server.retention, lambda: True)


def test_metrics_are_written_beside_the_configuration_and_a_place_that_is_none_is_told(configure, root, clock):
    server = configure('[metrics]\ntextfile = "prom/thaniya.prom"')
    run_schedule(server)
    assert f"there is no directory {root}/prom" in shown(server)["metrics"].failure
    assert not (root / "prom").exists()
    (root / "prom").mkdir()
    clock.advance(300)
    run_schedule(server)
    assert shown(server)["metrics"].failure == ""
    assert "thaniya_check_status" in (root / "prom/thaniya.prom").read_text()


def test_people_are_told_by_the_schedule(configure, root, clock):
    server = configure(f'[notify]\ncommand = ["/bin/sh", "-c", "cat >> {root}/told"]')
    run_schedule(server)
    assert "service_not_running" in (root / "told").read_text()
    assert shown(server)["health"].last.detail == "critical, 1 findings, 1 messages sent"
    clock.advance(300)
    size = (root / "told").stat().st_size
    run_schedule(server)
    assert (root / "told").stat().st_size == size


def test_survey_is_kept_by_the_schedule_though_nobody_is_to_be_told(server, archived, clock):
    archived()
    assert server.surveys.latest() is None
    run_schedule(server)
    assert shown(server)["health"].last.detail == "critical, 1 findings, 0 messages sent"
    first = server.surveys.latest()
    assert (first.made_at, first.series[0].backups) == (clock.now(), 1)
    clock.advance(299)
    run_schedule(server)
    assert server.surveys.latest() is first
    clock.advance(1)
    run_schedule(server)
    assert server.surveys.latest().made_at == clock.now()


def test_survey_that_cannot_be_kept_keeps_nobody_from_being_told(configure, root, caplog):
    server = configure(f'[notify]\ncommand = ["/bin/sh", "-c", "cat >> {root}/told"]')
    (root / "state" / "survey.json").mkdir()
    run_schedule(server)
    assert "service_not_running" in (root / "told").read_text()
    assert "cannot keep the survey" in caplog.text


def test_volume_that_vanished_is_told_once(server, volume, clock):
    (volume / "volume.json").rename(volume / "elsewhere")
    for _ in range(3):
        run_schedule(server)
        clock.advance(60)
    assert [event.action for event in server.events() if event.action.startswith("volume.")][1:] == ["volume.missing"]


def add_ended(server, *days_ago):
    for days in days_ago:
        at = server.clock.now() - timedelta(days=days)
        upload = Upload(make_id(at), "alice", "web1", "nightly", "thaniya_01", at, at, UploadState.EXPIRED, ended_at=at)
        server.store.add_history(upload)
        server.store.add_event(Event(at, "test", "upload.expired", upload.id))


def days_left(server):
    return [(server.clock.now() - upload.ended_at).days for upload in server.store.read_upload_history()]


def test_history_is_kept_for_a_year_and_the_audit_log_for_good(server):
    add_ended(server, 0, 399, 402, 500)
    run_schedule(server)
    assert days_left(server) == [0, 399]
    dropped = [event for event in server.events() if event.action == "history.drop"]
    assert [(event.actor, event.subject) for event in dropped] == [("service", "2025-07-11 to 2025-10-17")]
    assert shown(server)["history"].last.detail == "history of 2025-07-11 to 2025-10-17 dropped"
    assert sum(event.action == "upload.expired" for event in server.events()) == 4


def test_history_and_audit_log_are_kept_as_long_as_is_said(configure):
    server = configure('[history]\nkeep = 0\nkeep_log = "60d"')
    add_ended(server, 0, 50, 100, 500)
    run_schedule(server)
    assert days_left(server) == [0, 50, 100, 500]
    assert sum(event.action == "upload.expired" for event in server.events()) == 2
    assert [event.subject for event in server.events() if event.action == "log.drop"] == ["2025-07 to 2026-08"]


def test_history_that_is_kept_for_good_leaves_nothing_to_do(configure):
    task = shown(configure("[history]\nkeep = 0"))["history"]
    assert (task.state, task.why_off) == (TaskState.OFF, "[history] keeps everything")


def test_what_a_check_looks_back_on_is_kept_whatever_is_said(configure):
    server = configure('[history]\nkeep = "1d"')
    add_ended(server, 0, 34, 37)
    run_schedule(server)
    assert days_left(server) == [0, 34]


def test_clock_that_was_put_forward_drops_no_history(server, clock):
    add_ended(server, 0, 100, 399)
    clock.set_wall_clock(timedelta(days=3000))
    run_schedule(server)
    assert shown(server)["history"].last.detail == "nothing dropped"
    clock.set_wall_clock(timedelta(days=-3000))
    add_ended(server, -3000)
    clock.advance(86400)
    run_schedule(server)
    assert days_left(server)[1:] == [1, 101, 400]


def test_parts_are_switched_off_one_by_one(configure):
    server = configure("[schedule]\nvolumes = 0\nhealth = 0\nverify = 0\nhistory = 0")
    assert run_schedule(server) == 0
    assert shown(server)["volumes"].why_off == "switched off in [schedule]"


def test_part_that_was_switched_off_is_not_found_to_fail(configure, server):
    server.schedule.note_run("volumes", "")
    with server.store.transaction() as state:
        state.runs.put(replace(state.runs.get("volumes"), failure="no disk"))
    assert "schedule_failed" in {finding.code for finding in server.monitoring.check().findings}
    assert "schedule_failed" not in {
        finding.code for finding in configure("[schedule]\nvolumes = 0").monitoring.check().findings
    }


def test_schedule_of_a_tick_runs_beside_the_pass_of_another_one(server, reopen):
    """A long verification must not keep the next tick from closing slots."""
    task = Task("long", "do it", timedelta(days=1), lambda _: f"{run_pass(reopen())} jobs")
    server.schedule = Schedule(server.store, server.clock, [task])
    run_schedule(server)
    assert server.schedule.show()[0].last.detail == "0 jobs"
