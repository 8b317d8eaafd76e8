"""The worker: runs due jobs in threads."""

from __future__ import annotations

import errno
import os
import socket
import threading
from datetime import timedelta

import pytest

from thaniya_core.config import JobLimits, Seconds
from thaniya_core.errors import NotFound
from thaniya_core.jobs import JobQueue, Worker
from thaniya_core.jobs.queue import CLAIM
from thaniya_core.model import Job, JobKind, JobState
from thaniya_core.store import MemoryStore, StateTransaction

LIMITS = JobLimits(workers=2, attempts=2, first_delay=Seconds(5))
DEADLINE_S = 30.0


class Office:
    """A worker with a handler that does what the test wants."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.store = MemoryStore()
        self.queue = JobQueue(self.store, clock, LIMITS)
        self.fails: Exception | None = None
        self.done: list[str] = []
        self.failed: list[Job] = []
        self.freed = 0
        self.started = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()
        self.worker = self.make_worker()

    def make_worker(self) -> Worker:
        handlers = {JobKind.ARCHIVE: self.handle}
        return Worker(self.store, self.clock, self.queue, LIMITS, handlers, self.note_failed, self.note_free)

    def note_failed(self, state: StateTransaction, job: Job) -> None:
        assert state.jobs.get(job.id) == job
        self.failed.append(job)

    def note_free(self) -> None:
        self.freed += 1

    def handle(self, job: Job) -> None:
        self.started.release()
        assert self.may_end.wait(DEADLINE_S)
        if self.fails is not None:
            raise self.fails
        self.done.append(job.subject)

    def enqueue(self, subject: str) -> Job:
        self.clock.advance(1)
        with self.store.transaction() as state:
            return self.queue.enqueue(state, JobKind.ARCHIVE, subject)

    def run(self) -> int:
        started = self.worker.run_due()
        assert self.worker.drain(DEADLINE_S)
        return started


@pytest.fixture
def office(clock):
    made = Office(clock)
    yield made
    made.may_end.set()
    assert made.worker.drain(DEADLINE_S)


def test_due_jobs_are_run_and_done(office):
    jobs = [office.enqueue("a"), office.enqueue("b")]

    assert office.run() == 2

    assert sorted(office.done) == ["a", "b"]
    assert office.queue.waiting() == []
    assert {office.queue.get(job.id).state for job in jobs} == {JobState.DONE}


def test_no_more_jobs_run_at_once_than_allowed(office):
    office.may_end.clear()
    for subject in "abc":
        office.enqueue(subject)

    assert office.worker.run_due() == LIMITS.workers
    assert office.worker.run_due() == 0
    office.may_end.set()
    assert office.worker.drain(DEADLINE_S)

    assert office.run() == 1
    assert sorted(office.done) == ["a", "b", "c"]


def test_draining_tells_when_a_job_still_runs(office):
    office.may_end.clear()
    office.enqueue("a")
    office.worker.run_due()

    assert not office.worker.drain(0.01)


def test_failed_job_is_told_and_tried_again_later(office):
    office.fails = NotFound("no volume", hint="mount it")
    office.enqueue("a")

    office.run()
    assert office.run() == 0
    office.clock.advance(5)
    office.fails = None
    office.run()

    assert [(job.state, job.reason) for job in office.failed] == [(JobState.QUEUED, "no volume (mount it)")]
    assert office.done == ["a"]


def test_given_up_job_is_an_event(office):
    office.fails = OSError(errno.EIO, "Input/output error")
    office.enqueue("a")

    for _ in range(LIMITS.attempts):
        office.run()
        office.clock.advance(60)

    (event,) = office.store.read_events()
    assert (event.action, event.subject, event.ok) == ("job.archive", "a", False)
    assert event.detail == "given up: [Errno 5] Input/output error"
    assert office.failed[-1].state is JobState.FAILED


def test_bug_in_a_handler_is_a_failed_attempt(office):
    office.fails = ZeroDivisionError("division by zero")
    office.enqueue("a")

    office.run()

    assert office.failed[0].reason == "ZeroDivisionError: division by zero"


def test_attempt_whose_subject_cannot_be_changed_is_made_again_when_its_claim_runs_out(office, failing):
    office.fails = NotFound("no volume")
    office.enqueue("a")
    with failing(office, "note_failed"):
        office.worker = office.make_worker()
        office.run()
    (job,) = office.queue.waiting()
    assert (job.state, job.reason, office.failed) == (JobState.RUNNING, "", [])

    office.fails = None
    office.clock.advance(CLAIM.total_seconds() + 1)
    office.run()

    assert office.done == ["a"]


@pytest.mark.parametrize("fails", [None, NotFound("no volume"), ZeroDivisionError("a bug")])
def test_each_job_that_ends_leaves_its_place_to_another(office, fails):
    office.fails = fails
    for subject in "ab":
        office.enqueue(subject)

    office.run()

    assert office.freed == 2


def test_running_job_whose_claim_the_clock_made_void_is_not_started_again(office):
    office.may_end.clear()
    office.enqueue("a")
    office.worker.run_due()
    assert office.started.acquire(timeout=DEADLINE_S)

    office.clock.set_wall_clock(timedelta(days=-365))

    assert office.worker.run_due() == 0
    office.may_end.set()
    assert office.worker.drain(DEADLINE_S)
    assert office.done == ["a"]


def test_running_job_keeps_its_claim(office):
    office.may_end.clear()
    office.enqueue("a")
    office.worker.run_due()
    assert office.started.acquire(timeout=DEADLINE_S)

    for _ in range(5):
        office.clock.advance(CLAIM.total_seconds() * 0.9)
        assert office.worker.run_due() == 0
    office.may_end.set()
    assert office.worker.drain(DEADLINE_S)

    assert office.done == ["a"]


@pytest.mark.parametrize("fails", [None, NotFound("no volume")])
def test_job_whose_end_cannot_be_noted_is_run_again_when_its_claim_runs_out(office, failing, fails):
    office.fails = fails
    office.enqueue("a")
    with failing(office.queue, "finish" if fails is None else "fail"):
        office.run()
    assert office.run() == 0

    office.fails = None
    office.clock.advance(CLAIM.total_seconds() + 1)

    assert office.run() == 1
    assert office.done[-1] == "a"
    assert office.queue.waiting() == []


def test_new_worker_takes_over_what_a_dead_one_of_this_host_had_claimed(office):
    office.enqueue("a")
    office.queue.claim_next(f"{socket.gethostname()}:{os.getpid()}")
    worker = office.make_worker()

    worker.take_over()

    assert worker.run_due() == 1
    assert worker.drain(DEADLINE_S)
    assert office.done == ["a"]
