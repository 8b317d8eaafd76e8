"""The seventh area: queued work, and what is done again and again."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from thaniya_core.errors import ThaniyaError
from thaniya_core.model import Job, JobState, Upload
from thaniya_core.views import Live, ScheduledTask, TaskState
from thaniya_tui.area import Area
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
from thaniya_tui.dialogs import Confirm, Reading
from thaniya_tui.reader import Reader
from thaniya_tui.threads import in_thread
from thaniya_tui.widgets import SyncedTable

_ENDED = 200
_NO_JOB = "no job yet: each upload that is complete makes one"
_LEAVE_S = 0.5
"""So long the parts of the schedule that were started here may take to stop when the console is left."""

Ended = tuple[tuple[Job, ...], dict[str, Upload]]


class JobsArea(Area):
    """Jobs, those that failed first; below, the parts of the schedule."""

    MODE = "jobs"
    NAME = "Jobs"
    WHAT = "Queued work: what failed and why, what runs, waits and is done; below, what is done again and again."
    CHANGES = frozenset({"retry", "run_now"})

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "read", "Read", id="jobs.read", tooltip="all about a job or a part of the schedule"),
        Binding("t", "retry", "Retry", id="jobs.retry", tooltip="run jobs again, with all their attempts"),
        Binding("x", "run_now", "Run now", id="jobs.run", tooltip="do a part of the schedule now"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._jobs: dict[str, ShownJob] = {}
        self._ended: Ended = ((), {})
        self._started: set[str] = set()
        """The parts of the schedule that run because of this screen."""
        self._title = ""
        self._ended_reader = Reader(
            self, "ended jobs", self._read_ended, self._take_ended, self.console.fail_reading, None
        )

    def compose_area(self) -> ComposeResult:
        with Vertical(classes="pane", id="jobs-pane"):
            yield SyncedTable(JOB_COLUMNS, id="jobs", can_mark=True, empty=_NO_JOB)
        with Vertical(classes="pane", id="schedule-pane") as pane:
            pane.border_title = "Schedule"
            yield SyncedTable(TASK_COLUMNS, id="schedule")

    def on_mount(self) -> None:
        self._ended_reader.start()
        self.focus_main()

    async def on_unmount(self) -> None:
        """Give back what is running still because of this screen, so that the service does it anew."""
        if self._started:
            ending = in_thread(partial(self.server.schedule.shut_down, _LEAVE_S / 2), "leave the schedule")
            try:
                await asyncio.wait_for(ending, _LEAVE_S)
            except (TimeoutError, ThaniyaError):
                pass  # its claim runs out, and that is told

    # What is shown.

    def show_live(self, live: Live) -> None:
        """Show what waits and runs; when a job has gone, ask what became of it."""
        if self._live is not None and {job.id for job in self._live.jobs} - {job.id for job in live.jobs}:
            self._ended_reader.ask_soon()
        self._live = live
        self.show_filtered()

    def refresh_area(self) -> None:
        self._ended_reader.ask_soon()

    def show_filtered(self) -> None:
        live = self._live
        if live is None:
            return
        ended, uploads = self._ended
        shown = in_order(live.jobs, ended, uploads | {upload.id: upload for upload in live.uploads})
        self._jobs = {each.job.id: each for each in shown}
        rows = job_rows(shown, self.server.config.jobs.attempts, live.at)
        self.query_one("#jobs", SyncedTable).show_rows(row for row in rows if self.fits_filter(*row.cells))
        tasks = task_rows(live.schedule, live.at)
        self.query_one("#schedule", SyncedTable).show_rows(row for row in tasks if self.fits_filter(*row.cells))
        if (title := title_of(shown)) != self._title:
            self._title = self.query_one("#jobs-pane").border_title = title

    def _read_ended(self) -> Ended:
        jobs = tuple(self.server.jobs.list_ended(_ENDED))
        return jobs, {upload.id: upload for upload in self.server.uploads.list_ended(2 * _ENDED)}

    def _take_ended(self, ended: Ended) -> None:
        self._ended = ended
        self.show_filtered()

    # What is chosen.

    def _chosen_jobs(self) -> list[Job]:
        keys = self.query_one("#jobs", SyncedTable).chosen_keys
        return [self._jobs[key].job for key in keys if key in self._jobs]

    def _chosen_task(self) -> ScheduledTask | None:
        key = self.query_one("#schedule", SyncedTable).cursor_key
        return next((task for task in self._live.schedule if task.name == key), None) if self._live else None

    def why_not(self, action: str) -> str:
        """Why nothing can be tried again or run here now."""
        if action == "retry":
            can = self.is_mounted and any(_can_retry(job) for job in self._chosen_jobs())
            return "" if can else "only a job that failed or waits can be run again"
        if action == "run_now":
            task = self._chosen_task() if self.is_mounted else None
            if task is None:
                return "no part of the schedule is chosen"
            if task.state is TaskState.RUNNING:
                return f"{task.name} is being run already"
            if task.state is TaskState.OFF and task.every_s:
                return f"there is nothing to do for {task.name}: {task.why_off}"
        return ""

    def on_data_table_row_selected(self) -> None:
        """Enter on a row."""
        self.action_read()

    # What is done.

    def action_read(self) -> None:
        """Show all about the job or the part of the schedule under the cursor."""
        if self._live is None or not isinstance(self.focused, SyncedTable):
            return
        now, key = self._live.at, self.focused.cursor_key or ""
        if self.focused.id == "jobs" and key in self._jobs:
            job = self._jobs[key]
            text = describe_job(job, self.server.config.jobs.attempts, now)
            self.console.push_screen(Reading(f"Job {job.job.state}", text))
        elif self.focused.id == "schedule" and (task := self._chosen_task()) is not None:
            self.console.push_screen(Reading(f"Schedule: {task.name}", describe_task(task, now)))

    def action_retry(self) -> None:
        """Run the chosen jobs again."""
        for job in self._chosen_jobs():
            if _can_retry(job):
                self.console.act(
                    f"retry the job {job.id}",
                    partial(self.server.retry_job, job.id, self.console.actor),
                    lambda again: f"{again.id} is {again.state} again",
                )
        self.query_one("#jobs", SyncedTable).clear_marks()

    def action_run_now(self) -> None:
        """Ask, and do a part of the schedule now."""
        if (task := self._chosen_task()) is not None:
            text = f"It will: {task.what}.\n\nThat may take a while; it stops when the console is left before its end."
            self.console.push_screen(Confirm(f"Run {task.name} now?", text, "Run"), partial(self._run, task.name))

    def _run(self, name: str, agreed: bool | None) -> None:
        if agreed:
            self._started.add(name)
            self.tell(f"{name} is being run …")
            self.console.act(
                f"run {name} of the schedule",
                partial(self._run_and_wait, name),
                lambda task: f"{name} is done: {task.last.detail or 'nothing to tell'}",
            )

    def _run_and_wait(self, name: str) -> ScheduledTask:
        try:
            task = self.server.schedule.run_now(name, self.console.actor)
        finally:
            self._started.discard(name)
        if task.failure:
            raise ThaniyaError(f"{name} failed: {task.failure}")
        return task


def _can_retry(job: Job) -> bool:
    return job.state in (JobState.FAILED, JobState.QUEUED)
