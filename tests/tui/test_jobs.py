"""Jobs and the schedule: by values, and on the screen of a real server."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from thaniya_core.errors import ThaniyaError
from thaniya_core.initialise import initialise
from thaniya_core.jobs import Schedule, Task
from thaniya_core.model import Job, JobKind, JobState, RunRecord, UploadState
from thaniya_core.testing import FixedClock
from thaniya_core.views import ScheduledTask, TaskState
from thaniya_tui.areas.jobs.rows import (
    JOB_COLUMNS,
    TASK_COLUMNS,
    ShownJob,
    describe_job,
    describe_task,
    in_order,
    job_rows,
    task_rows,
    title_of,
)
from thaniya_tui.dialogs import Reading
from thaniya_tui.widgets import SyncedTable

from .test_uploads import HOSTILE, upload

NOW = FixedClock().now()


def job(number: int = 1, **changed) -> Job:
    given = {
        "id": f"20261123T2101{number:02}Z-7f3a2c",
        "kind": JobKind.ARCHIVE,
        "subject": upload(number).id,
        "created_at": NOW - timedelta(hours=1),
        "not_before": NOW - timedelta(hours=1),
    }
    return Job(**{**given, **changed})


def task(**changed) -> ScheduledTask:
    given = {
        "name": "retention",
        "state": TaskState.WAITING,
        "why_off": "",
        "every_s": 86400,
        "next_at": NOW + timedelta(hours=15),
        "failure": "",
        "last": RunRecord("retention", ran_at=NOW - timedelta(hours=9), detail="11 series, 27 backups removed"),
        "what": "apply retention",
    }
    return ScheduledTask(**{**given, **changed})


def cells(row, columns):
    return dict(zip([column.key for column in columns], [cell.plain for cell in row.cells], strict=True))


def shown(one: Job, of=None):
    (row,) = job_rows([ShownJob(one, of)], 10, NOW)
    return cells(row, JOB_COLUMNS)


def test_what_needs_somebody_comes_first_and_the_newest_that_is_done_after_what_waits():
    jobs = [job(1), job(2, state=JobState.RUNNING), job(3, state=JobState.FAILED)]
    done = [job(5, state=JobState.DONE), job(4, state=JobState.DONE), replace(jobs[0], state=JobState.DONE)]
    ordered = in_order(jobs, done, {})
    assert [(each.job.id, each.job.state) for each in ordered] == [
        (job(number).id, state)
        for number, state in ((3, "failed"), (2, "running"), (1, "done"), (5, "done"), (4, "done"))
    ]


def test_a_failed_job_shows_its_upload_its_attempts_and_its_reason():
    failed = job(state=JobState.FAILED, attempts=10, reason="no space", ended_at=NOW - timedelta(minutes=5))
    told = shown(failed, upload(received_bytes=2048))
    assert told == {
        "state": "✗ failed",
        "series": "alice/web1/nightly",
        "attempts": "10 of 10",
        "bytes": "2.0 KiB",
        "when": "5 min ago",
        "reason": "no space",
        "id": failed.id,
    }


def test_a_job_says_since_when_it_runs_or_from_when_on_it_may():
    assert shown(job(state=JobState.RUNNING, began_at=NOW - timedelta(minutes=3)))["when"] == "for 3 min"
    assert shown(job(state=JobState.RUNNING))["when"] == "running"
    assert shown(job())["when"] == "now"
    assert shown(job(not_before=NOW + timedelta(minutes=4)))["when"] == "in 4 min"


def test_a_job_whose_upload_is_forgotten_shows_its_id():
    assert shown(job())["series"] == job().subject
    assert "not known any more" in describe_job(ShownJob(job()), 10, NOW).plain


def test_the_title_counts_what_is_not_done():
    each = [ShownJob(job(number, state=state)) for number, state in enumerate(JobState)]
    assert title_of(each) == "Jobs: 1 failed, 1 running, 1 waiting"
    assert title_of([]) == "Jobs: none waits"


def test_all_about_a_job_is_told_with_what_to_do():
    failed = job(state=JobState.FAILED, reason="a\nlong reason", claimed_by="host:1", ended_at=NOW)
    told = describe_job(ShownJob(failed, upload()), 10, NOW).plain
    assert "archive an upload" in told and "a\nlong reason" in told and "press t" in told and "host:1" in told
    assert "not before" in describe_job(ShownJob(job()), 10, NOW).plain


def test_a_part_of_the_schedule_shows_what_it_did_and_when_it_runs():
    (row,) = task_rows([task()], NOW)
    assert cells(row, TASK_COLUMNS) == {
        "name": "retention",
        "every": "24 h",
        "good": "9 h ago",
        "next": "in 15 h",
        "state": "○ waiting",
        "what": "11 series, 27 backups removed",
    }


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"failure": "no disk"}, "FAILED: no disk"),
        ({"state": TaskState.OFF, "why_off": "no policy is set"}, "no policy is set"),
        (
            {"state": TaskState.RUNNING, "last": RunRecord("x", began_at=NOW - timedelta(minutes=2))},
            "running for 2 min",
        ),
    ],
)
def test_why_a_part_does_not_run_or_failed_is_told(changed, told):
    (row,) = task_rows([task(**changed)], NOW)
    assert cells(row, TASK_COLUMNS)["what"] == told
    if "failure" in changed:
        assert "no disk" in describe_task(task(**changed), NOW).plain


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_words_stand_letter_by_letter(text):
    one = ShownJob(job(reason=text, claimed_by=text), upload(host=text))
    (row,) = job_rows([one], 10, NOW)
    (other,) = task_rows([task(failure=text)], NOW)
    told = " ".join(cell.plain for cell in (*row.cells, *other.cells))
    assert not {"\n", "\x1b", "\u202e"} & set(told)
    for described in (describe_job(one, 10, NOW).plain, describe_task(task(failure=text, why_off=text), NOW).plain):
        assert not {"\x1b", "\u202e"} & set(described)


# On a real server.


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "server"
    initialise(directory, "login:test", slots=4)
    file = directory / "thaniya.toml"
    file.write_text(file.read_text().replace("# attempts = 10", "attempts = 1"))
    return directory


@pytest.fixture
def volume(server) -> Path:
    return server.volumes.all()[0].path


@pytest.fixture
def fail(server, give, complete, work, volume):
    """Has the jobs of so many uploads fail, for the volume is gone."""

    def make(count: int = 1) -> list:
        uploads = [give(user=f"user{number}", name=f"nightly{number}") for number in range(count)]
        volume.rename(volume.with_name("away"))
        for each in uploads:
            complete(each)
        work()
        return uploads

    return make


def mend(volume: Path) -> None:
    volume.with_name("away").rename(volume)


def test_a_job_that_failed_is_read_mended_retried_and_archived(visit, server, fail, volume, work):
    (one,) = fail()

    async def retry(person):
        await person.go("jobs")
        await person.see("Jobs: 1 failed")
        await person.see("✗ failed")
        await person.see("user0/web1/nightly0")
        await person.press("enter")
        await person.see("Job failed")
        await person.see("no active volume")
        await person.pilot.click("#copy")
        assert "no active volume" in person.console.clipboard
        await person.pilot.click("#leave")
        mend(volume)
        await person.press("t")
        await person.wait(lambda: any("is queued again" in toast for toast in person.toasts))
        await person.see("Jobs: 1 waiting")
        work()
        await person.see("✓ done")
        await person.see("Jobs: none waits")

    visit(retry)
    assert server.uploads.get(one.id).state is UploadState.ARCHIVED
    event = next(event for event in server.newest_events() if event.action == "job.retry")
    assert event.actor == "login:test"


def test_marked_jobs_are_retried_together(visit, server, fail, volume):
    fail(3)
    mend(volume)

    async def retry(person):
        await person.go("jobs")
        await person.see("Jobs: 3 failed")
        await person.press("space", "space", "t")
        await person.see("Jobs: 1 failed, 2 waiting")
        assert person.console.screen.query_one("#jobs", SyncedTable).marked == set()

    visit(retry)


def test_a_job_that_runs_or_is_done_is_not_retried_and_that_is_said(visit, server, archived):
    archived("alice/web1/nightly")

    async def press(person):
        await person.go("jobs")
        await person.see("✓ done")
        await person.press("t")
        await person.wait(lambda: any("only a job that failed or waits" in toast for toast in person.toasts))

    visit(press)


def test_a_job_that_waits_shows_until_when_and_may_be_run_at_once(visit, server, give, complete, clock):
    complete(give())
    with server.store.transaction() as state:
        (waiting,) = state.jobs.all()
        state.jobs.put(
            replace(waiting, attempts=1, reason="the disk was busy", not_before=clock.now() + timedelta(minutes=7))
        )

    async def look(person):
        await person.go("jobs")
        await person.see("○ queued")
        await person.see("in 7 min")
        await person.see("the disk was busy")
        await person.press("t")
        await person.wait(lambda: "in 7 min" not in person.text)

    visit(look)


def test_a_running_job_shows_since_when_it_runs(visit, server, give, complete, clock):
    complete(give())
    assert server.jobs.claim_next("host:1")
    clock.advance(240)

    async def look(person):
        await person.go("jobs")
        await person.see("▶ running")
        await person.see("for 4 min")
        await person.see("1000 B")
        await person.press("enter")
        await person.see("host:1")

    visit(look)


def test_the_filter_shows_jobs_and_parts_that_fit(visit, fail):
    fail(2)

    async def look(person):
        await person.go("jobs")
        await person.see("nightly1")
        await person.press("slash")
        await person.type("nightly0")
        await person.wait(lambda: "nightly1" not in person.text)
        await person.press("escape")
        await person.see("nightly1")

    visit(look)


async def go_to_part(person, name: str) -> None:
    await person.go("jobs")
    table = person.console.screen.query_one("#schedule", SyncedTable)
    await person.wait(lambda: table.row_count)
    table.focus()
    assert table.move_to(name)
    await person.pilot.pause()


def test_a_part_of_the_schedule_is_run_now(visit, server):
    async def run(person):
        await go_to_part(person, "health")
        await person.press("x")
        await person.see("Run health now?")
        await person.see("check and tell people")
        await person.pilot.click("#leave")
        assert server.schedule.show()[1].last.ran_at is None
        await person.press("x")
        await person.see("Run health now?")
        await person.pilot.click("#agree")
        await person.wait(lambda: any("health is done" in toast for toast in person.toasts))
        await person.press("enter")
        await person.see("did last")
        assert isinstance(person.console.screen, Reading)

    visit(run)
    assert server.schedule.show()[1].last.ran_at is not None
    event = next(event for event in server.newest_events() if event.action == "schedule.ask")
    assert (event.actor, event.subject) == ("login:test", "health")


def test_a_part_with_nothing_to_do_is_greyed_with_the_reason(visit):
    async def press(person):
        await go_to_part(person, "retention")
        await person.press("x")
        await person.wait(lambda: any("no policy is set" in toast for toast in person.toasts))

    visit(press)


def replace_schedule(server, work) -> None:
    server.__dict__["schedule"] = Schedule(
        server.store, server.clock, [Task("verify", "read backups again", timedelta(hours=1), work)]
    )


def test_a_part_that_fails_tells_why(visit, server):
    def work(should_stop):
        raise ThaniyaError("3 backups could not be looked at")

    replace_schedule(server, work)

    async def run(person):
        await go_to_part(person, "verify")
        await person.press("x")
        await person.see("Run verify now?")
        await person.pilot.click("#agree")
        await person.see("verify failed: 3 backups could not be looked at")
        await person.press("escape")
        await person.see("FAILED: 3 backups")
        await person.press("enter")
        await person.see("the last run failed")

    visit(run)


def test_what_runs_is_greyed_and_given_back_when_the_console_is_left(visit, server, open_console):
    began, may_end = threading.Event(), threading.Event()

    def work(should_stop):
        began.set()
        may_end.wait()
        return ""

    replace_schedule(server, work)
    console = open_console()

    async def run(person):
        await go_to_part(person, "verify")
        await person.press("x")
        await person.see("Run verify now?")
        await person.pilot.click("#agree")
        await person.wait(began.is_set)
        await person.see("▶ running")
        await person.press("x")
        await person.wait(lambda: any("is being run already" in toast for toast in person.toasts))
        await person.press("q")

    visit(run, console=console)
    (left,) = server.schedule.show()
    assert (left.state, left.failure, left.last.was_stopped) == (TaskState.DUE, "", True)
    may_end.set()


def test_nothing_can_be_changed_where_one_may_only_look(visit, fail):
    fail()

    async def press(person):
        await person.go("jobs")
        await person.see("✗ failed")
        await person.press("t", "x")
        await person.wait(lambda: sum("may only look" in toast for toast in person.toasts) == 2)

    visit(press, is_read_only=True)
