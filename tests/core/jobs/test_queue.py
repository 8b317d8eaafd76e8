"""The queue: delays, claims, retries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from thaniya_core.config import JobLimits, Seconds
from thaniya_core.errors import IllegalName, NotFound, WrongState
from thaniya_core.jobs.queue import CLAIM, JobQueue, claim, fail, is_due, retry_delay
from thaniya_core.model import Job, JobKind, JobState
from thaniya_core.store import MemoryStore, StateTransaction
from thaniya_core.testing import FixedClock

LIMITS = JobLimits(attempts=4, first_delay=Seconds(5), longest_delay=Seconds(15))
YEAR = timedelta(days=365)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def queue(store, clock) -> JobQueue:
    return JobQueue(store, clock, LIMITS)


@pytest.fixture
def enqueue(store, queue, clock):
    def add(subject: str = "subject") -> Job:
        with store.transaction() as state:
            job = queue.enqueue(state, JobKind.ARCHIVE, subject)
        clock.advance(1)
        return job

    return add


def nothing_else(_state: StateTransaction, _job: Job) -> None:
    """What changes no subject."""


def test_delay_doubles_up_to_the_longest():
    assert [retry_delay(attempts, LIMITS).seconds for attempts in range(1, 5)] == [5, 10, 15, 15]


@given(st.integers(1, 10**6))
def test_delay_of_any_attempt_is_bounded(attempts):
    assert timedelta(0) < retry_delay(attempts, LIMITS) <= timedelta(seconds=15)


def test_job_waits_longer_after_each_failure_and_is_given_up(queue, enqueue, clock):
    enqueue()
    waits = []

    for _ in range(LIMITS.attempts):
        job = queue.claim_next("host:1")
        failed = queue.fail(job, "no disk", nothing_else)
        waits.append((failed.not_before - clock.now()).seconds)
        assert queue.claim_next("host:1") is None
        clock.advance(15)

    assert waits[:3] == [5, 10, 15]
    (job,) = queue.waiting()
    assert (job.state, job.reason, job.attempts, job.claimed_by) == (JobState.FAILED, "no disk", 4, "")
    assert job.ended_at is not None
    assert queue.claim_next("host:1") is None


def test_oldest_job_is_claimed_first_and_by_one_only(queue, enqueue):
    first, second = enqueue("a"), enqueue("b")

    assert queue.claim_next("host:1").id == first.id
    assert queue.claim_next("host:2").id == second.id
    assert queue.claim_next("host:1") is None


def test_job_knows_when_its_last_attempt_began(queue, enqueue, clock):
    assert enqueue().began_at is None
    first = clock.now()
    failed = queue.fail(queue.claim_next("host:1"), "no disk", nothing_else)
    assert failed.began_at == first
    clock.advance(15)
    assert queue.claim_next("host:1").began_at == clock.now()


def test_claim_runs_out(queue, enqueue, clock):
    job = enqueue()
    queue.claim_next("host:1")
    clock.advance(CLAIM.total_seconds())
    assert queue.claim_next("other:1") is None

    clock.advance(1)

    taken = queue.claim_next("other:1")
    assert (taken.id, taken.claimed_by, taken.attempts) == (job.id, "other:1", 2)


def test_renewed_claim_holds(queue, enqueue, clock):
    job = enqueue()
    queue.claim_next("host:1")

    for _ in range(5):
        clock.advance(CLAIM.total_seconds() * 0.9)
        queue.renew("host:1", {job.id})

    assert queue.claim_next("other:1") is None


def test_claim_on_a_job_that_is_not_worked_on_any_more_is_not_renewed(queue, enqueue, clock):
    enqueue()
    queue.claim_next("host:1")

    clock.advance(CLAIM.total_seconds() * 0.9)
    queue.renew("host:1", set())
    clock.advance(CLAIM.total_seconds() * 0.2)

    assert queue.claim_next("host:1") is not None


def test_claims_of_this_host_are_released_at_the_start(queue, enqueue):
    enqueue("a")
    enqueue("b")
    queue.claim_next("host:1")
    queue.claim_next("host:8080:1")

    queue.release("host")

    assert [job.state for job in queue.waiting()] == [JobState.QUEUED, JobState.RUNNING]


def test_clock_set_back_delays_no_job(queue, enqueue, clock):
    enqueue()
    queue.fail(queue.claim_next("host:1"), "no disk", nothing_else)

    clock.set_wall_clock(-YEAR)

    assert queue.claim_next("host:1") is not None


def test_claim_of_a_dead_worker_is_void_when_the_clock_was_set_back(queue, enqueue, clock):
    enqueue()
    queue.claim_next("dead:1")

    clock.set_wall_clock(-YEAR)

    assert queue.claim_next("host:1").claimed_by == "host:1"


@pytest.mark.parametrize("by_s", [-5 * 60, -15 * 60, -25 * 60, -365 * 86400])
def test_clock_set_back_takes_no_job_from_a_worker_that_lives(queue, enqueue, clock, by_s):
    job = enqueue()
    queue.claim_next("host:1")

    clock.set_wall_clock(timedelta(seconds=by_s))
    queue.renew("host:1", {job.id})

    assert queue.claim_next("host:1") is None
    clock.advance(CLAIM.total_seconds() + 1)
    assert queue.claim_next("other:1") is not None


def test_clock_set_forward_takes_no_job_from_a_worker_that_lives(queue, enqueue, clock):
    job = enqueue()
    queue.claim_next("host:1")

    clock.set_wall_clock(YEAR)
    queue.renew("host:1", {job.id})

    assert queue.claim_next("host:1") is None


def test_done_job_goes_into_the_history(queue, enqueue):
    job = enqueue()

    queue.finish(queue.claim_next("host:1"))

    assert queue.waiting() == []
    done = queue.get(job.id)
    assert (done.state, done.claimed_by, done.claim_until) == (JobState.DONE, "", None)


def test_waiting_job_is_retried_now_with_all_its_attempts(queue, enqueue, store):
    job = enqueue()
    queue.fail(queue.claim_next("host:1"), "no disk", nothing_else)

    queue.retry(job.id, "login:root", nothing_else)

    assert queue.claim_next("host:1").attempts == 1
    assert [(event.actor, event.action) for event in store.read_events()] == [("login:root", "job.retry")]


@pytest.mark.parametrize("state", ["running", "done"])
def test_job_that_runs_or_is_done_is_not_retried(queue, enqueue, state):
    job = enqueue()
    claimed = queue.claim_next("host:1")
    if state == "done":
        queue.finish(claimed)

    with pytest.raises(WrongState, match=f"is {state}"):
        queue.retry(job.id, "login:root", nothing_else)


def test_subject_changes_in_the_same_transaction_as_its_job(queue, enqueue, store):
    job = enqueue()
    seen: list[tuple[JobState, bool]] = []

    def look(state: StateTransaction, changed: Job) -> None:
        seen.append((changed.state, state.jobs.get(changed.id) == changed))

    for _ in range(LIMITS.attempts):
        queue.fail(claim(queue.get(job.id), "host:1", job.created_at), "no disk", look)
    queue.retry(job.id, "login:root", look)

    queued = (JobState.QUEUED, True)
    assert seen == [queued, queued, queued, (JobState.FAILED, True), queued]


def test_job_stays_as_it_is_when_its_subject_cannot_be_changed(queue, enqueue, store):
    enqueue()
    claimed = queue.claim_next("host:1")

    def fails(_state: StateTransaction, _job: Job) -> None:
        raise WrongState("the subject is gone")

    with pytest.raises(WrongState):
        queue.fail(claimed, "no disk", fails)
    assert queue.waiting() == [claimed]

    queue.fail(claimed, "no disk", nothing_else)
    before = queue.waiting()
    with pytest.raises(WrongState):
        queue.retry(claimed.id, "login:root", fails)
    assert queue.waiting() == before
    assert list(store.read_events()) == []


def test_unknown_job_is_told(queue):
    with pytest.raises(NotFound):
        queue.get("20261123T211500Z-ffffff")
    with pytest.raises(IllegalName):
        queue.get("../state")


def test_dropped_jobs_are_forgotten_unless_they_run(queue, enqueue):
    enqueue("a")
    enqueue("b")
    running = queue.claim_next("host:1")

    queue.drop("a")
    queue.drop("b")

    assert [job.id for job in queue.waiting()] == [running.id]


@given(
    st.lists(st.sampled_from(["claim", "fail", "release", "late"])), st.lists(st.integers(-(10**7), 10**7), min_size=1)
)
def test_job_never_gets_lost_whatever_happens(steps, jumps):
    clock = FixedClock()
    job = Job("20261123T211500Z-000001", JobKind.ARCHIVE, "subject", clock.now(), clock.now())
    for number, step in enumerate(steps):
        clock.set_wall_clock(timedelta(seconds=jumps[number % len(jumps)]))
        if step == "claim" and is_due(job, clock.now(), LIMITS):
            job = claim(job, "host:1", clock.now())
        elif step == "fail" and job.state is JobState.RUNNING:
            job = fail(job, "why", clock.now(), LIMITS)
        elif step == "release" and job.state is JobState.RUNNING:
            job = replace(job, state=JobState.QUEUED, claimed_by="", claim_until=None)
        elif step == "late":
            clock.advance(CLAIM.total_seconds() + LIMITS.longest_delay)

    if job.state is JobState.QUEUED:
        # A clock that was put back further than that makes it due at once.
        is_due_now = is_due(job, clock.now(), LIMITS)
        clock.advance(LIMITS.longest_delay)
        assert is_due_now or is_due(job, clock.now(), LIMITS)
    assert job.state.is_ended == (job.attempts >= LIMITS.attempts and job.state is JobState.FAILED)


def test_job_that_is_done_in_this_moment_is_listed_once_as_done(store, queue, enqueue, clock):
    ending, waiting = enqueue(), enqueue()
    store.add_history(replace(ending, state=JobState.DONE, ended_at=clock.now()))

    assert [(job.id, job.state) for job in queue.list_all(9)] == [
        (ending.id, JobState.DONE),
        (waiting.id, JobState.QUEUED),
    ]


def test_newest_done_jobs_are_listed(queue, enqueue, clock):
    jobs = [enqueue() for _ in range(4)]
    for job in jobs[:3]:
        queue.finish(job)
        clock.advance(1)

    assert [job.id for job in queue.list_ended(2)] == [jobs[2].id, jobs[1].id]
    assert [job.id for job in queue.list_all(2)] == [job.id for job in jobs[1:]]
