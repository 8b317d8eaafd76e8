"""The rows of jobs and of the schedule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from msgspec import Struct
from rich.text import Text

from thaniya_core.formats.quantities import format_duration
from thaniya_core.model import Job, JobState, Upload
from thaniya_core.views import ScheduledTask, TaskState
from thaniya_tui import render
from thaniya_tui.widgets import Column, Row

JOB_COLUMNS = (
    Column("state", "state", 10),
    Column("series", "upload of", 12, grows=True),
    Column("attempts", "attempt", 8, is_right=True, from_width=88),
    Column("bytes", "bytes", 10, is_right=True, from_width=76),
    Column("when", "when", 10, is_right=True),
    Column("reason", "reason", 12, grows=True, from_width=60),
    Column("id", "job", 23, from_width=140),
)

TASK_COLUMNS = (
    Column("name", "part", 9),
    Column("every", "every", 6, is_right=True, from_width=70),
    Column("good", "last good", 10, is_right=True),
    Column("next", "next", 9, is_right=True),
    Column("state", "state", 9),
    Column("what", "what was done", 8, grows=True),
)

_ORDER = {JobState.FAILED: 0, JobState.RUNNING: 1, JobState.QUEUED: 2, JobState.DONE: 3}


class ShownJob(Struct, frozen=True):
    """A job with the upload that it works on, where that is known still."""

    job: Job
    upload: Upload | None = None

    @property
    def subject(self) -> str:
        """What it works on, in a person's words."""
        return str(self.upload.series) if self.upload is not None else self.job.subject

    @property
    def size_bytes(self) -> int | None:
        """Of what was uploaded; once archived, of what lies on the volume."""
        if self.upload is None:
            return None
        return self.upload.stored_bytes if self.upload.stored_bytes is not None else self.upload.received_bytes


def in_order(jobs: Iterable[Job], ended: Iterable[Job], uploads: Mapping[str, Upload]) -> list[ShownJob]:
    """What needs somebody first, then what runs, what waits, and the newest that are done; each once.

    Args:
        jobs: waiting, running and given up, the oldest first.
        ended: done, the newest first.
        uploads: by id.
    """
    each = {job.id: job for job in jobs} | {job.id: job for job in ended}
    shown = sorted(each.values(), key=lambda job: _ORDER[job.state])
    return [ShownJob(job, uploads.get(job.subject)) for job in shown]


def job_rows(jobs: Iterable[ShownJob], attempts: int, now: datetime) -> Iterator[Row]:
    """A row a job.

    Args:
        jobs: in their order.
        attempts: after so many a job is given up.
        now: the time.
    """
    for each in jobs:
        job = each.job
        yield Row(
            job.id,
            (
                render.job_state(job.state),
                render.foreign(each.subject),
                Text(f"{job.attempts} of {attempts}" if job.attempts else "-", justify="right"),
                render.size(each.size_bytes),
                Text(when_of(job, now), justify="right"),
                _reason(job),
                render.foreign(job.id, "faint"),
            ),
        )


def when_of(job: Job, now: datetime) -> str:
    """Since when it runs, from when on it may, or when it ended."""
    if job.state is JobState.RUNNING:
        return "running" if job.began_at is None else f"for {_span((now - job.began_at).total_seconds())}"
    if job.state is JobState.QUEUED:
        return render.ago(job.not_before, now).plain if job.not_before > now else "now"
    return render.ago(job.ended_at, now).plain


def _span(seconds: float) -> str:
    return render.in_one_unit(max(seconds, 0))


def _reason(job: Job) -> Text:
    if not job.reason:
        return Text("-", "faint")
    return render.foreign(job.reason, "bad" if job.state is JobState.FAILED else "caution")


def title_of(jobs: Iterable[ShownJob]) -> str:
    """How many there are of each kind that is not done."""
    states = [each.job.state for each in jobs]
    words = {JobState.FAILED: "failed", JobState.RUNNING: "running", JobState.QUEUED: "waiting"}
    told = [f"{count} {word}" for state, word in words.items() if (count := states.count(state))]
    return f"Jobs: {', '.join(told) or 'none waits'}"


def describe_job(each: ShownJob, attempts: int, now: datetime) -> Text:
    """Everything about a job."""
    job, upload = each.job, each.upload
    facts = [
        ("job", render.foreign(job.id)),
        ("does", Text(f"{job.kind.value} an upload")),
        ("upload", render.foreign(job.subject)),
        ("series", render.foreign("not known any more" if upload is None else upload.series)),
        ("bytes", render.size(each.size_bytes)),
        ("state", render.job_state(job.state)),
        ("attempts", Text(f"{job.attempts} of {attempts}")),
        ("queued", _at(job.created_at, now)),
        ("last attempt", _at(job.began_at, now)),
    ]
    if job.state is JobState.QUEUED:
        facts.append(("not before", _at(job.not_before, now)))
    if job.claimed_by:
        facts.append(("worker", render.foreign(job.claimed_by)))
    if job.ended_at is not None:
        facts.append(("ended", _at(job.ended_at, now)))
    text = _told(facts)
    if job.reason:
        text.append("\n\n").append_text(render.paragraph(job.reason, "bad"))
    if job.state is JobState.FAILED:
        text.append("\n\nwhat next  ", "faint").append("mend the cause, then press t on the job: it is run again")
    return text


def task_rows(tasks: Iterable[ScheduledTask], now: datetime) -> Iterator[Row]:
    """A row a part of the schedule."""
    for task in tasks:
        yield Row(
            task.name,
            (
                render.foreign(task.name),
                Text(format_duration(task.every_s) if task.every_s else "-", justify="right"),
                Text(render.ago(task.last.ran_at, now).plain, justify="right"),
                Text(_next(task, now), justify="right"),
                render.task_state(task.state),
                _outcome(task, now),
            ),
        )


def _next(task: ScheduledTask, now: datetime) -> str:
    if task.state is TaskState.DUE:
        return "now"
    return "-" if task.next_at is None else render.ago(task.next_at, now).plain


def _outcome(task: ScheduledTask, now: datetime) -> Text:
    if task.state is TaskState.RUNNING and task.last.began_at is not None:
        return Text(f"running for {_span((now - task.last.began_at).total_seconds())}", "moving")
    if task.failure:
        return render.foreign(f"FAILED: {task.failure}", "bad")
    return render.foreign(task.why_off, "faint") if task.why_off else render.foreign(task.last.detail or "-")


def describe_task(task: ScheduledTask, now: datetime) -> Text:
    """Everything about a part of the schedule."""
    facts = [
        ("part", render.foreign(task.name)),
        ("does", render.foreign(task.what)),
        ("every", Text(format_duration(task.every_s) if task.every_s else "not by itself")),
        ("state", render.task_state(task.state)),
        ("last good", _at(task.last.ran_at, now)),
        ("last begun", _at(task.last.began_at, now)),
        ("next", Text("now") if task.state is TaskState.DUE else _at(task.next_at, now)),
    ]
    if task.why_off:
        facts.append(("why off", render.foreign(task.why_off)))
    if task.last.claimed_by and task.state is TaskState.RUNNING:
        facts.append(("run by", render.foreign(task.last.claimed_by)))
    facts.append(("did last", render.foreign(task.last.detail or "-")))
    text = _told(facts)
    if task.failure:
        text.append("\n\nthe last run failed\n", "faint").append_text(render.paragraph(task.failure, "bad"))
    return text


def _told(facts: Iterable[tuple[str, Text]]) -> Text:
    return Text("\n").join(Text.assemble((f"{name:<13}", "faint"), value) for name, value in facts)


def _at(at: datetime | None, now: datetime) -> Text:
    return Text("-") if at is None else Text(f"{render.moment(at)}  ({render.ago(at, now)})")
